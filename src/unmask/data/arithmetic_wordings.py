"""Questions of arithmetic that stand alone: each is a problem with all its calculations.

They are grouped by the steps they ask for; "<30" behind those limits their numbers. How they are
written is said in arithmetic_grammar.py and arithmetic_numbers.py.
"""

from unmask.data.arithmetic_grammar import wordings

ALONE = wordings(
    {
        # One calculation: nothing but numbers.
        "a+b sum @none": """
            What is {a} plus {b}?
            What is {a} + {b}?
            {a} + {b} = ?
            How much is {a} plus {b}?
            Add {a} and {b}.
            What is the sum of {a} and {b}?
            Calculate {a} + {b}.
            What do you get if you add {b} to {a}?
            What number is {b} more than {a}?
            Work out {a} plus {b}.
            What does {a} + {b} equal?
            I think of a number. I subtract {b} and get {a}. What is my number?
        """,
        "a-b left @none": """
            What is {a} minus {b}?
            What is {a} - {b}?
            {a} - {b} = ?
            How much is {a} minus {b}?
            Subtract {b} from {a}.
            Take {b} away from {a}. What is left?
            Calculate {a} - {b}.
            What number is {b} less than {a}?
            What is the difference between {a} and {b}?
            Work out {a} minus {b}.
        """,
        "a-b product @none": """
            I think of a number. I add {b} and get {a}. What is my number?
            What must be added to {b} to get {a}?
        """,
        "a*b product @none": """
            What is {a} times {b}?
            What is {a} * {b}?
            {a} * {b} = ?
            How much is {a} times {b}?
            Multiply {a} by {b}.
            What is the product of {a} and {b}?
            Calculate {a} * {b}.
            What is {a} multiplied by {b}?
            Work out {a} times {b}.
            What does {a} x {b} equal?
            I think of a number. I divide it by {b} and get {a}. What is my number?
        """,
        "a/b product @none": """
            What is {a} divided by {b}?
            What is {a} / {b}?
            {a} / {b} = ?
            How much is {a} divided by {b}?
            Divide {a} by {b}.
            Calculate {a} / {b}.
            How many times does {b} go into {a}?
            Work out {a} divided by {b}.
            What does {a} / {b} equal?
            Which number times {b} is {a}?
            I think of a number. I multiply it by {b} and get {a}. What is my number?
        """,
        "a/2 product @none": """
            What is half of {a}?
            Find one half of {a}.
        """,
        "a*2 product @none <60": """
            What is double {a}?
            What is twice {a}?
        """,
        "a*3 product @none <60": """
            What is triple {a}?
        """,
        "a/3 product @none": """
            What is a third of {a}?
        """,
        "a/4 product @none": """
            What is a quarter of {a}?
        """,
        # One calculation: ages.
        "a+b sum @year <60": """
            {A} is {a year} old. {his} {kin} is {b year} older. How old is {A}'s {kin}?
            {A} is {a year} old and {B} is {b year} older. How old is {B}?
            {A} is {a} now. How old will {he} be in {b year}?
            How old will {A} be in {b year} if {he is} {a} now?
            {B} is {b year} older than {A}, who is {a}. How old is {B}?
            {A} was {a} when {he} moved to this town {b year} ago. How old is {A} now?
        """,
        "a-b product @year <60": """
            {A} is {a year} old. {his} {kin} is {b year} younger. How old is {A}'s {kin}?
            {A} is {a}, and {B} is {b year} younger. How old is {B}?
            {A} is {a} now. How old was {he} {b year} ago?
            How old was {A} {b year} ago if {he is} {a} now?
        """,
        "a-b diff @year <60": """
            {A} is {a year} old and {B} is {b}. How many years older is {A} than {B}?
            {A} is {a} and {his} {kin} is {b}. What is the difference between their ages?
            How many years younger is {B} than {A} if {A} is {a} and {B} is {b}?
        """,
        "a*b product @year <20": """
            {A} is {a year} old. {his} (uncle|aunt|father|mother) is {b times} as old. How old \
              is that?
            {B} is {b times} as old as {A}, who is {a}. How old is {B}?
        """,
        "a/b product @year": """
            {A} is {a year} old and {b times} as old as {B}. How old is {B}?
            {A} is {a}. That is {b times} the age of {his} {kin}. How old is the {kin}?
        """,
        # One calculation: lengths, ways and times.
        "a+b sum @mile": """
            {A} walks {a mile} to the lake and {b mile} to the farm. How far does {he walk} in all?
            It is {a mile} from home to school and {b mile} from school to the park. How far is \
              it from home to the park, by way of the school?
            A bus drives {a mile} before noon and {b mile} after noon. How many miles does it \
              drive in total?
        """,
        "a-b left @mile": """
            The way to the city is {a mile} long. {A} has driven {b mile}. How many miles remain?
            A trip is {a mile} long. After {b mile}, how many miles are left?
        """,
        "a-b diff @mile": """
            {A} lives {a mile} from school and {B} lives {b mile} from it. How much farther from \
              school does {A} live?
        """,
        "a*b product @mile <60": """
            A car goes {a mile} in one hour. How far does it go in {b hour}?
            {A} rides {a mile} each day. How many miles does {he ride} in {b day}?
            {A} drives {a mile} an hour for {b hour}. How far does {he drive}?
            One lap is {a mile} long. How long are {b lap}?
        """,
        "a/b product @mile": """
            A train goes {a mile} in {b hour}. How many miles does it go in one hour?
            {A} walks {a mile} in {b day}, the same way every day. How many miles is that a day?
        """,
        "a/b groups @hour": """
            {A} drives {a mile} at {b mile} per hour. How many hours does it take?
            The city is {a mile} away. A bus goes {b mile} an hour. How many hours does it need?
        """,
        "a+b sum @minute": """
            {A} reads for {a minute} and draws for {b minute}. How many minutes is that in total?
            The first film is {a minute} long and the second is {b minute} long. How long are \
              both together?
            {A} practises the piano for {a minute} and then the violin for {b minute}. How long \
              does {he practise}?
        """,
        "a-b left @minute": """
            A lesson takes {a minute}. {b minute} <b has> passed. How many minutes are left?
            {A} has {a minute} for a test and has used {b}. How many minutes remain?
        """,
        "a*b product @minute <40": """
            One song takes {a minute}. How many minutes do {b song} take?
            {A} runs {a minute} a day. How many minutes does {he run} in {b day}?
        """,
        "a/b each @minute": """
            {A} solves {b problem} in {a minute}. How many minutes is that for each problem?
        """,
        "a+b sum @meter": """
            A rope of {a meter} is tied to a rope of {b meter}. How long are both together?
            A tree was {a meter} high and grew {b meter}. How high is it now?
        """,
        "a-b left @meter": """
            A rope is {a meter} long. {A} cuts off {b meter}. How many meters are left?
            From a ribbon of {a meter}, {b meter} <b is> cut off. How long is the rest?
        """,
        "a-b diff @meter": """
            A tower is {a meter} high and a house is {b meter} high. How much higher is the tower?
            {A} throws a ball {a meter} and {B} throws it {b meter}. How much farther does {A} \
              throw?
        """,
        "a*b product @meter <40": """
            A board is {a meter} long. How long are {b board} in a line?
        """,
        "a/b each @meter": """
            A rope of {a meter} is cut into {b equal piece}. How long is each piece?
        """,
        "a/b groups @piece": """
            {A} cuts a ribbon of {a meter} into pieces of {b meter}. How many pieces does {he get}?
        """,
        # One calculation: money.
        "a+b sum @$": """
            {an u} costs {$a} and {an v} costs {$b}. How much do both cost?
            {A} buys {an u} for {$a} and {an v} for {$b}. How much does {he spend}?
            How much does {A} pay for {an u} that costs {$a} and {an v} that costs {$b}?
            The price of {an u} was {$a}. It went up by {$b}. What is the price now?
            {A} pays {$a} for food and {$b} for the bus. How much is that in total?
            {A} has {$a} and {B} has {$b}. How much money do they have together?
        """,
        "a-b left @$": """
            {A} pays with {$a} for {an u} that costs {$b}. How much change does {he get}?
            {an u} cost {$a}. Now it is {$b} cheaper. What does it cost now?
            {A} has {$a}. {he spends} {$b}. How much money is left?
            How much money is left if {A} spends {$b} of {his} {$a}?
        """,
        "a-b diff @$": """
            {an u} costs {$a} and {an v} costs {$b}. How much more does the {u} cost?
            {A} wants {an u} that costs {$a} but has only {$b}. How much more money does {he need}?
            {A} earns {$a} a day and {B} earns {$b}. How much more does {A} earn?
        """,
        "a*b product @$ <60": """
            One {u} costs {$a}. How much do {b u} cost?
            A ticket costs {$a}. How much do {b ticket} cost?
            {A} buys {b u} for {$a} each. How much does {he pay}?
            {A} earns {$a} an hour. How much does {he earn} in {b hour}?
            How much are {b u} at {$a} each?
            What is the price of {b u} if one costs {$a}?
            {us} cost {$a} each. What do {b} of them cost?
            {A} saves {$a} every week. How much does {he have} after {b week}?
            {A} sells {b u} at {$a} apiece. How much money does {he make}?
        """,
        "a/b each @$": """
            {b u} cost {$a}. How much does one {u} cost?
            {A} pays {$a} for {b u}. What is the price of one {u}?
            {b friend} share a bill of {$a} equally. How much does each pay?
            What does one {u} cost if {b u} cost {$a}?
        """,
        "a/b product @$": """
            {A} earns {$a} in {b hour}. How much is that per hour?
            {A} spends {$a} in {b day}, the same each day. How much is that per day?
        """,
        "a/b groups @u": """
            {A} has {$a}. One {u} costs {$b}. How many {us} can {he} buy?
            How many {us} can {A} buy with {$a} if each costs {$b}?
            {us} cost {$b} each, and {A} pays {$a}. How many {us} does {he buy}?
        """,
        "a/b groups @week": """
            {A} saves {$b} a week. How many weeks does {he need} to save {$a}?
        """,
        # One calculation: groups and things.
        "a+b": """
            There are {a t} in one {box} and {b t} in another. How many {ts} are there in total?
            {A} has {a t}. {B} has {b t}. How many {ts} do they have together?
            {A} has {a t} and {B} has {b}. How many {ts} do they have altogether?
            How many {ts} do {A} and {B} have together if {A} has {a} and {B} has {b}?
            A shop sells {a t} on {day1} and {b t} on {day2}. How many {ts} does it sell in all?
            A shop had some {ts}. It sold {a}, and {b} <b is> left. How many {ts} did it have at \
              first?
            {A} gave away {a t} and still has {b}. How many {ts} did {he have} before?
            {a} of the {ts} on the table are {col1}, and {b} <b is> {col2}. How many {ts} are on \
              the table?
            {A} needs {a col1 t} and {b col2 t}. How many {ts} is that in all?
            {A} has {b more t} than {B}. {B} has {a}. How many {ts} does {A} have?
            {A} finds {a t}, {B} finds {b}. How many {ts} did they find?
            I have {a t} and buy {b} more. How many {ts} do I have now?
            I have {a t}. I find {b} more. How many {ts} do I have?
            If you have {a t} and get {b} more, how many {ts} do you have?
            If I have {a t} and you have {b}, how many {ts} do we have together?
            My {kin} has {a t} and I have {b}. How many {ts} do we have altogether?
            You have {a t}. A friend gives you {b more t}. How many {ts} do you have now?
            We need {a t} for today and {b} for tomorrow. How many {ts} do we need?
        """,
        "a+b sum @student": """
            There are {a girl} and {b boy} in a class. How many students are in the class?
            One class has {a student} and another has {b}. How many students are there in both?
        """,
        "a-b left": """
            There are {a t} on the table, and {b} of them <b is> taken away. How many {ts} are \
              left?
            {A} had {a t}. Now {he has} lost {b}. How many {ts} are left?
            Of {a t}, {b} <b is> damaged. How many {ts} are not damaged?
            {A} has {a t}. {b} of them <b is> {col1}, and the rest are {col2}. How many {ts} are \
              {col2}?
            A shop has {a t} and sells {b} of them. How many {ts} does it still have?
            {A} and {B} have {a t} together. {B} has {b}. How many {ts} does {A} have?
            {A} has {a t}. {B} has {b} fewer. How many {ts} does {B} have?
            How many {ts} are left if you take {b} away from {a t}?
        """,
        "a-b product": """
            {A} bought some {ts} and now has {a}. Before, {he} had {b}. How many {ts} did {A} buy?
            {A} had {a t}. After giving some to {B}, {he} had {b}. How many {ts} did {A} give away?
        """,
        "a-b diff": """
            {A} has {a t} and {B} has {b}. How many more {ts} does {A} have than {B}?
            {A} has {a t} and {B} has {b t}. How many fewer {ts} does {B} have than {A}?
            How many more {ts} does {A} have than {B} if {A} has {a} and {B} has {b}?
            There are {a t} and {b u}. How many more {ts} than {us} are there?
            There are {a t} in the first {box} and {b t} in the second. How many more are in the \
              first?
            {A} needs {a t} and has {b}. How many more {ts} does {he need}?
            A {box} has room for {a t}. {b} <b is> in it. How many more {ts} fit in?
            You need {a t} and have {b}. How many more {ts} do you need?
            I have {a t} and my {kin} has {b}. How many more {ts} do I have?
        """,
        "a-b left @student": """
            There are {a student} in a class. {b} of them <b is> ill. How many students are there?
            Of {a student}, {b} <b walks> to school and the others take the bus. How many take \
              the bus?
            A class has {a student}, {b} of them girls. How many boys are there?
        """,
        "a*b": """
            A {box} holds {a t}. How many {ts} are in {b box}?
            There are {b box} with {a t} in each. How many {ts} are there (altogether|in \
              total|in all)?
            Each of {b child} has {a t}. How many {ts} do they have (together|altogether|in total)?
            {b person} have {a t} each. How many {ts} is that?
            How many {ts} are there in {b box} of {a t} each?
            {A} puts {a t} into each of {b box}. How many {ts} does {he need}?
            There are {b row} of {ts} with {a} in each row. How many {ts} are there?
            If one {box} holds {a t}, how many {ts} do {b box} hold?
            {A} gives {a t} to each of {b friend}. How many {ts} does {he give} away?
            Every {box} contains {a t}. {A} has {b box}. How many {ts} does {A} have?
            A machine makes {a t} per hour. How many {ts} does it make in {b hour}?
            {A} has {a t}. {B} has {b times} as many. How many {ts} does {B} have?
            {b child} get {a t} each. How many {ts} are needed?
            {A} uses {a t} per day. How many {ts} does {he use} in {b day}?
            A shop sells {a t} a day. How many {ts} does it sell in {b day}?
            How many {ts} do {b child} have if each has {a}?
            I have {b box} with {a t} in each. How many {ts} do I have?
            If I buy {b box} of {a t}, how many {ts} do I have?
            You have {b box}, and each holds {a t}. How many {ts} do you have?
            If you get {a t} a day, how many {ts} do you get in {b day}?
        """,
        "a+b sum @thing": """
            {A} has {a t} and {b u}. How many things does {he have} in all?
            There are {a t} and {b u} on a shelf. How many things are on the shelf?
        """,
        "a-b": """
            I have {a t} and give away {b}. How many {ts} do I have left?
            I had {a t} but lost {b} of them. How many {ts} do I have now?
            If you have {a t} and lose {b}, how many {ts} are left?
            If I have {a t} and take away {b}, how many {ts} do I have?
            You have {a t}. You give {b} to a friend. How many {ts} do you have left?
            We had {a t} and used {b}. How many {ts} remain?
        """,
        "a-b left @page": """
            A book has {a page}. {A} has read {b} of them. How many pages are left to read?
            {A} is on page {b} of a book of {a page}. How many pages are left?
        """,
        "a*b product @page": """
            I read {a page} a day. How many pages do I read in {b day}?
            A book has {b chapter} of {a page} each. How many pages does it have?
        """,
        "a*b product @square_meter <50": """
            A garden is {a meter} long and {b meter} wide. What is its area?
            What is the area of a room that is {a meter} by {b meter}?
        """,
        "a/b each": """
            I have {a t} and share them equally among {b friend}. How many {ts} does each friend \
              get?
            If you split {a t} into {b equal group}, how many {ts} are in each group?
            If {b} of us share {a t} equally, how many {ts} does each of us get?
            We put {a t} equally into {b box}. How many {ts} are in each {box}?
            {a t} are shared equally among {b child}. How many {ts} does each child get?
            {A} shares {a t} equally among {b friend}. How many {ts} does each friend get?
            {a t} are packed equally into {b box}. How many {ts} are in each {box}?
            There are {a t} in {b equal group}. How many {ts} are in each group?
            {A} splits {a t} equally into {b pile}. How many {ts} are in each pile?
            {b child} share {a t} fairly. How many {ts} does each of them get?
            If {b person} share {a t} equally, how many {ts} does each person get?
            {b box} hold {a t}. How many {ts} does one {box} hold?
            {A} lays {a t} in {b equal row}. How many {ts} are in each row?
            How many {ts} does each child get if {b child} share {a t}?
            {a t} are divided evenly among {b person}. How many {ts} does each one get?
        """,
        "a/b groups @box": """
            I have {a t} and put {b} into each {box}. How many {boxes} do I need?
            {A} packs {a t} into {boxes} of {b}. How many {boxes} does {he need}?
            A {box} holds {b t}. How many {boxes} are needed for {a t}?
            How many {boxes} of {b} can be filled with {a t}?
            {A} has {a t} and puts {b} into each {box}. How many {boxes} does {he fill}?
        """,
        "a*7": """
            {A} gets {a t} every day. How many {ts} does {he get} in a week?
        """,
        "a*b product @egg": """
            A hen lays {a egg} a week. How many eggs does it lay in {b week}?
            {a hen} lay {b egg} each. How many eggs are there?
        """,
        "a*b product @chair": """
            There are {a table} in a room with {b chair} at each table. How many chairs are in \
              the room?
            A hall has {a row} of {b chair}. How many chairs are in the hall?
        """,
        "a*b product @plant": """
            A garden has {a row} with {b plant} in each row. How many plants are in the garden?
            {A} has {a pot} with {b plant} in each. How many plants does {he have}?
        """,
        "a*4 product @wheel": """
            A car has four wheels. How many wheels do {a car} have?
        """,
        "a*b product @square": """
            A board is {a square} long and {b square} wide. How many squares does it have?
        """,
        "a/b product": """
            {A} has {a t}, {b times} as many as {B}. How many {ts} does {B} have?
            {A} uses {a t} in {b day}, the same number each day. How many {ts} does {he use} per \
              day?
            A machine makes {a t} in {b hour}. How many {ts} does it make per hour?
            {A} has {b times} as many {ts} as {B}. {A} has {a}. How many {ts} does {B} have?
        """,
        "a/b groups @day": """
            {A} uses {b t} a day. How many days do {a t} last?
            How long do {a t} last if {A} uses {b} every day?
            {A} reads {b page} a day. How many days does {he need} for a book of {a page}?
        """,
        "a/b groups @child": """
            {A} gives each child {b t} and gives away {a t}. How many children are there?
            Each child gets {b t}. How many children can share {a t}?
        """,
        "a/b each @student": """
            There are {a student} in {b equal group}. How many students are in each group?
            {a student} form {b team} of the same size. How many students are in each team?
            {a student} sit in {b equal row}. How many students are in a row?
        """,
        "a/b groups @team": """
            {a player} form teams of {b}. How many teams are there?
            How many teams of {b player} can {a player} form?
        """,
        "a/b groups @table": """
            There are {a guest}, and {b guest} sit at each table. How many tables are needed?
        """,
        "a/2 product": """
            {A} gives half of {his} {a t} to {B}. How many {ts} does {B} get?
            {A} and {B} share {a t} equally. How many {ts} does each of them get?
            Half of {A}'s {a t} are {col1}. How many {col1} {ts} are there?
            {B} has half as many {ts} as {A}, who has {a}. How many {ts} does {B} have?
        """,
        # Two calculations.
        "a+b=c; c-d": """
            I have {a t}, buy {b} more and give away {d}. How many {ts} do I have left?
            If you have {a t}, get {b} more and lose {d}, how many {ts} do you have?
        """,
        "a-b=c; c+d sum": """
            I have {a t}, give away {b} and get {d} more. How many {ts} do I have now?
            You have {a t}. You lose {b} and find {d}. How many {ts} do you have?
        """,
        "a*b=c product @page; d-c left @page": """
            A book has {d page}. {A} reads {b page} a day for {a day}. How many pages are left?
        """,
        "d-c=e left @page; e/b groups @day": """
            A book has {d page}. {A} has read {c page} and now reads {b} a day. How many more \
              days does {he need}?
        """,
        "a+b=c; c+d sum": """
            {A} has {a t}, {B} has {b} and {C} has {d}. How many {ts} do they have \
              (together|altogether|in all)?
            There are {a col1 t}, {b col2 t} and {d white t}. How many {ts} are there in total?
            A shop sells {a t} on {day1}, {b} on {day2} and {d} the day after. How many {ts} \
              does it sell?
        """,
        "a*b=c; a+c": """
            {A} has {a t}. {B} has {b times} as many. How many {ts} do they have \
              (together|altogether|in total)?
            {B} has {b times} as many {ts} as {A}. {A} has {a}. How many {ts} do they have in all?
            {A} finds {a t} and {B} finds {b times} as many. How many {ts} do they find together?
            How many {ts} do {A} and {B} have together if {A} has {a} and {B} has {b times} as \
              many?
        """,
        "a*b=c; c-a diff": """
            {A} has {a t}. {B} has {b times} as many. How many more {ts} does {B} have than {A}?
        """,
        "a+b=c; a+c": """
            {A} has {a t}. {B} has {b more t} than {A}. How many {ts} do they have \
              (together|altogether)?
            {B} has {b more t} than {A}, and {A} has {a}. How many do they have in total?
        """,
        "a-b=c; a+c sum": """
            {A} has {a t}. {B} has {b} fewer. How many {ts} do they have (together|altogether)?
        """,
        "a/2=c; a+c": """
            {A} has {a t} and {B} has half as many. How many {ts} do they have (together|in all)?
            {A} sells {a t} on {day1} and half as many on {day2}. How many {ts} does {he sell} \
              in total?
        """,
        "a+b=c; c/d": """
            {A} has {a t} and {B} has {b}. They share them equally among {d child}. How many \
              {ts} does each child get?
            There are {a col1 t} and {b col2 t}. They are packed equally into {d box}. How many \
              {ts} are in each {box}?
            {A} picks {a t} and {B} picks {b}. They put them into {d box} equally. How many {ts} \
              are in one {box}?
        """,
        "a+b=c; c/d groups @box": """
            {A} has {a col1 t} and {b col2 t}. {he puts} {d} into each {box}. How many {boxes} \
              does {he need}?
        """,
        "a-b=c; c/d": """
            {A} has {a t} and keeps {b} for {him}self. {d friend} share the rest equally. How \
              many {ts} does each friend get?
            Of {a t}, {b} <b is> damaged. The others are packed equally into {d box}. How many \
              {ts} are in each {box}?
        """,
        "a*b=c; c/d": """
            {A} has {a box} with {b t} each and shares all the {ts} equally among {d child}. How \
              many {ts} does each child get?
        """,
        "a*b=c; c+d": """
            {A} has {a box} of {b t} and {d more t}. How many {ts} does {he have} (altogether|in \
              total|in all)?
            There are {a box} with {b t} in each, and {d t} <d lies> on the table. How many {ts} \
              are there?
            {A} buys {a box} of {b t} and finds {d more}. How many {ts} does {he have}?
        """,
        "a*b=c; c-d": """
            {A} has {a box} of {b t} and gives {d t} away. How many {ts} are left?
            There are {a box} with {b t} in each. {d} of the {ts} <d is> damaged. How many {ts} \
              are not damaged?
            {A} buys {a box} of {b t}. {he uses} {d t}. How many {ts} does {he have} left?
        """,
        "a*b=c product @$; d-c left @$": """
            {A} buys {a u} for {$b} each and pays with {$d}. How much change does {he get}?
            {A} has {$d}. {he buys} {a u} at {$b} each. How much money is left?
            I have {$d} and buy {a u} for {$b} each. How much money do I have left?
            One {u} costs {$b}. {A} buys {a} of them and pays with {$d}. How much money does {he \
              get} back?
            How much change does {A} get from {$d} if {he buys} {a u} at {$b} each?
        """,
        "a*b=c product @$; c+d sum @$": """
            {A} buys {a u} for {$b} each and {an v} for {$d}. How much does {he pay} \
              (altogether|in total|in all)?
            {A} earns {$b} an hour. {he works} for {a hour} and gets {$d} extra. How much does \
              {he get}?
        """,
        "a+b=c sum @$; d-c left @$": """
            {A} buys {an u} for {$a} and {an v} for {$b}. {he pays} with {$d}. How much change \
              does {he get}?
            {A} has {$d} and spends {$a} on food and {$b} on {an u}. How much money is left?
        """,
        "a-b=c left @$; c/d groups @u": """
            {A} has {$a} and spends {$b}. How many {us} can {he} buy with the rest if each costs \
              {$d}?
        """,
        "a-b=c product @year; c+a sum @year <60": """
            {A} is {a year} old. {his} {kin} is {b year} younger. How old are both together?
        """,
        "a*b=c product @year; c+d sum @year <15": """
            {A} is {a year} old. {B} is {b times} as old. How old will {B} be in {d year}?
        """,
        "a+b=c; d-c left": """
            {A} has {d t}. {he gives} {a} to {B} and {b} to {C}. How many {ts} are left?
            Of {d t}, {a} <a is> {col1}, {b} <b is> {col2} and the rest are white. How many {ts} \
              are white?
            {A} wants {d t}. {he has} {a} and gets {b} more. How many {ts} are still missing?
        """,
        "a+b=c sum @mile; d-c left @mile": """
            A trip is {d mile} long. {A} drives {a mile} on {day1} and {b mile} on {day2}. How \
              many miles remain?
        """,
        "a*b=c product @mile; d-c left @mile": """
            A trip is {d mile} long. {A} rides {b mile} a day for {a day}. How many miles are left?
        """,
        "a/b=c product @mile; c*d product @mile": """
            A train goes {a mile} in {b hour}. At this speed, how far does it go in {d hour}?
        """,
        "a/b=c each @$; c*d product @$": """
            {b u} cost {$a}. How much do {d u} cost?
        """,
        "a/b=c product @$; c*d product @$": """
            {A} earns {$a} in {b hour}. How much does {he earn} in {d hour}?
        """,
        "a*b=c; c*d product": """
            There are {a box}. In each are {b bag} with {d t} in each bag. How many {ts} are there?
        """,
        # Three calculations.
        "a*b=e; c*d=f; e+f sum": """
            {A} has {a box} with {b t} each and {B} has {c box} with {d t} each. How many {ts} \
              do they have together?
            There are {a col1 box} of {b t} and {c col2 box} of {d t}. How many {ts} are there \
              (altogether|in all)?
        """,
        "a*b=e product @$; c*d=f product @$; e+f sum @$": """
            {A} buys {a u} for {$b} each and {c v} for {$d} each. How much does {he pay} \
              (altogether|in total|in all)?
        """,
        "a*b=e; c*d=f; e-f diff": """
            {A} has {a box} with {b t} each and {B} has {c box} with {d t} each. How many more \
              {ts} does {A} have than {B}?
        """,
        "a*b=e product @$; c+e=f sum @$; d-f left @$": """
            {A} buys {a u} for {$b} each and {an v} for {$c}. {he pays} with {$d}. How much \
              change does {he get}?
            {A} has {$d}. {he buys} {a u} at {$b} each and spends {$c} on lunch. How much money \
              is left?
        """,
        "a+b=e; c+e=f; f/d": """
            {A} has {a t}, {B} has {b} and {C} has {c}. They share them equally among {d child}. \
              How many {ts} does each child get?
        """,
        "a*b=e; e+c=f; f/d": """
            {A} has {a box} of {b t} and {c more t}. {he shares} them all equally among {d \
              friend}. How many {ts} does each friend get?
        """,
        "a*b=e; e-c=f; f/d": """
            {A} buys {a box} of {b t}. {he keeps} {c} and shares the rest equally among {d \
              friend}. How many {ts} does each friend get?
            There are {a box} with {b t} in each. {c} of the {ts} <c is> damaged, and the others \
              are put equally into {d bag}. How many {ts} are in each bag?
        """,
        "a*b=e; a+e=f; f+c sum": """
            {A} has {a t}, {B} has {b times} as many as {A}, and {C} has {c}. How many {ts} do \
              all of them have (together|altogether)?
        """,
        "a+b=e; c-d=f; e+f sum": """
            {A} has {a t} and gets {b} more. {B} has {c t} and loses {d}. How many {ts} do they \
              have together now?
        """,
        "a+b=e; c+d=f; e-f diff": """
            {A} has {a t} and gets {b} more. {B} has {c t} and gets {d} more. How many more {ts} \
              does {A} have than {B} now?
        """,
        "a-b=e; c-d=f; e+f sum": """
            {A} has {a t} and gives away {b}. {B} has {c t} and gives away {d}. How many {ts} do \
              they have left together?
        """,
        "a*b=e; a+e=f; f/c": """
            {A} has {a t}, and {B} has {b times} as many. They share all of them equally among \
              {c child}. How many {ts} does each child get?
        """,
        "a*b=e product @egg; e-c=f left @egg; f*d product @$": """
            {a hen} lay {b egg} a day. {A} eats {c} of the eggs and sells the others for {$d} \
              each. How much money does {he make} per day?
        """,
        "a/b=e each @$; e*c=f product @$; d-f left @$": """
            {b u} cost {$a}. {A} has {$d} and buys {c u}. How much money is left?
        """,
    }
)
"""By their steps."""
