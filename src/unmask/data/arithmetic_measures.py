"""Questions that stand alone, about sums in symbols and words, weights, lengths, time and people.

As in arithmetic_wordings.py, grouped by the steps they ask for.
"""

from unmask.data.arithmetic_grammar import wordings

MEASURES = wordings(
    {
        # Two calculations: nothing but numbers.
        "a+b=c sum @none; c+d sum @none": """
            What is {a} + {b} + {d}?
            {a} + {b} + {d} = ?
            What do {a}, {b} and {d} add up to?
            Find the sum of {a}, {b} and {d}.
            What is {a} plus {b} plus {d}?
        """,
        "a+b=c sum @none; c-d left @none": """
            What is {a} + {b} - {d}?
            {a} + {b} - {d} = ?
            Add {a} and {b}, then take away {d}.
            What is {a} plus {b} minus {d}?
        """,
        "a-b=c left @none; c+d sum @none": """
            What is {a} - {b} + {d}?
            {a} - {b} + {d} = ?
            Take {b} from {a} and add {d}. What do you get?
            What is {a} minus {b} plus {d}?
        """,
        "a-b=c left @none; c-d left @none": """
            What is {a} - {b} - {d}?
            {a} - {b} - {d} = ?
            Start at {a}. Take away {b}, and then {d}. What is left?
            Subtract {b} and {d} from {a}.
        """,
        "a*b=c product @none; c+d sum @none <20": """
            What is {a} * {b} + {d}?
            {a} * {b} + {d} = ?
            What is {d} + {a} * {b}?
            Multiply {a} by {b} and add {d}.
            What is {d} more than {a} times {b}?
            Work out {a} times {b}, plus {d}.
        """,
        "a*b=c product @none; c-d left @none <20": """
            What is {a} * {b} - {d}?
            {a} * {b} - {d} = ?
            Multiply {a} by {b}, then subtract {d}.
            What is {d} less than {a} times {b}?
            Work out {a} times {b}, minus {d}.
        """,
        "a+b=c sum @none; c*d product @none <15": """
            What is ({a} + {b}) * {d}?
            ({a} + {b}) * {d} = ?
            Add {a} and {b}, and multiply the result by {d}.
            What is {d} times the sum of {a} and {b}?
        """,
        "a-b=c left @none; c*d product @none <20": """
            What is ({a} - {b}) * {d}?
            ({a} - {b}) * {d} = ?
            Subtract {b} from {a}, and multiply by {d}.
        """,
        "a+b=c sum @none; c/d product @none": """
            What is ({a} + {b}) / {d}?
            ({a} + {b}) / {d} = ?
            Add {a} and {b}, then divide by {d}.
            Divide the sum of {a} and {b} by {d}.
        """,
        "a-b=c left @none; c/d product @none": """
            What is ({a} - {b}) / {d}?
            ({a} - {b}) / {d} = ?
            Subtract {b} from {a}, then divide by {d}.
        """,
        "a/b=c product @none; c+d sum @none": """
            What is {a} / {b} + {d}?
            {a} / {b} + {d} = ?
            Divide {a} by {b} and add {d}.
            Work out {a} divided by {b}, plus {d}.
        """,
        "a/b=c product @none; c*d product @none": """
            What is {a} / {b} * {d}?
            Divide {a} by {b}, then multiply by {d}.
        """,
        "a*b=c product @none; c/d product @none <20": """
            What is {a} * {b} / {d}?
            Multiply {a} by {b}, then divide by {d}.
        """,
        # One calculation: weights and lengths, as they are abbreviated too.
        "a+b sum @kilogram": """
            A box weighs {a} kg and another weighs {b} kg. How much do they weigh together?
            {A} picks {a kilogram} of berries and {B} picks {b kilogram}. How many \
              kilograms is that?
            A bag of {a kilogram} and a bag of {b kilogram} are put on a scale. What does it show?
            {A} weighed {a} kg last year and has put on {b} kg. How many kg does {he weigh} now?
        """,
        "a-b diff @kilogram": """
            A pumpkin weighs {a} kg and a melon weighs {b} kg. How much heavier is the pumpkin?
            One suitcase weighs {a kilogram}, the other {b kilogram}. How many kilograms \
              lighter is \
              the second?
            {A}'s horse eats {a kilogram} of hay and {B}'s eats {b}. How much more does {A}'s eat?
        """,
        "a-b left @kilogram": """
            A bakery had {a kilogram} of flour. {b kilogram} <b is> used. How many \
              kilograms remain?
            A sack of {a} kg of potatoes loses {b} kg. How many kg are still in it?
        """,
        "a*b product @kilogram <40": """
            A sack weighs {a} kg. How many kg do {b sack} weigh?
            {A} needs {a kilogram} of feed a day. How many kilograms does {he need} for {b day}?
        """,
        "a/b each @kilogram": """
            {a kilogram} of rice <a is> filled into {b equal bag}. How many kilograms \
              does each hold?
        """,
        "a+b sum @centimeter": """
            A plant was {a} cm tall and grew {b} cm. How tall is it now?
            {A} stacks a box of {a centimeter} on a box of {b centimeter}. How high is the stack?
        """,
        "a-b left @centimeter": """
            A pencil was {a} cm long, and {A} sharpened away {b} cm. How long is it now?
            From a string of {a} cm, {A} cuts off {b} cm. How many cm are left?
        """,
        "a-b diff @centimeter": """
            {A} jumped {a} cm and {B} jumped {b} cm. How many cm farther did {A} jump?
            A table is {a centimeter} high and a stool {b centimeter}. How much higher is \
              the table?
        """,
        "a*b product @centimeter <30": """
            A brick is {a} cm high. How high is a pile of {b brick}?
            One step of a stair is {a centimeter} high. How high are {b step}?
        """,
        "a+b sum @kilometer": """
            {A} cycles {a} km before lunch and {b} km after it. How many km is that in total?
            It is {a} km to the bridge and another {b} km to the castle. How far is the castle?
        """,
        "a-b left @kilometer": """
            The road is {a} km long and {A} has walked {b} km of it. How many km are to go?
            A hike of {a kilometer} has {b kilometer} behind it. How many kilometers are ahead?
        """,
        "a*b product @kilometer <40": """
            A ferry sails {a} km an hour. How many km does it sail in {b hour}?
            {A} runs {a kilometer} every morning. How far does {he run} in {b morning}?
            {A} walks round a lake {b times}. Once round is {a} km. How many km does {he walk}?
        """,
        "a/b groups @hour": """
            A ship has to go {a} km and goes {b} km an hour. How many hours will it take?
        """,
        "a+b sum @liter": """
            A bucket holds {a liter} and a jug holds {b liter}. How many liters do both hold?
            There are {a liter} of milk in the tank, and {b} <b is> poured in. How many \
              liters is that?
        """,
        "a-b left @liter": """
            A barrel with {a liter} of water leaks {b liter}. How many liters stay in it?
            A car had {a liter} of fuel and used {b}. How much fuel is left?
        """,
        "a*b product @liter <40": """
            A cow gives {a liter} of milk a day. How many liters do {b cow} give?
        """,
        "a/b groups @bottle": """
            {a liter} of juice <a is> filled into bottles of {b liter}. How many bottles \
              are filled?
        """,
        # One calculation: time.
        "a*7 product @day <40": """
            How many days are there in {a week}?
            {A} is away for {a week}. How many days is that?
        """,
        "a*24 product @hour <12": """
            How many hours are there in {a day}?
        """,
        "a/7 product @week": """
            How many weeks are {a day}?
            A voyage takes {a day}. How many weeks is that?
        """,
        "a*12 product @month <20": """
            How many months are there in {a year}?
        """,
        "a*12 product @egg <20": """
            How many eggs are in {a} dozen?
        """,
        "a-b diff @hour": """
            The flight takes {a hour} and the train {b hour}. How much longer does the flight take?
        """,
        "a-b diff @minute": """
            {A} needs {a minute} for the race and {B} needs {b}. By how many minutes is {B} faster?
        """,
        # One calculation: people, animals, points and pages.
        "a+b sum @person": """
            There are {a person} on the bus, and {b} more <b gets> on. How many people \
              are on it now?
            {a man} and {b woman} came to the meeting. How many people came?
            A village has {a person} and its neighbor {b}. How many people live in both?
        """,
        "a-b left @person": """
            There are {a person} in a cinema. {b} <b walks> out. How many people stay?
            Of {a guest}, {b} <b has> gone home. How many people are still at the party?
        """,
        "a+b sum @point": """
            {A} scores {a point} in the first half and {b} in the second. How many points is that?
            In one game the team got {a point}, in the next {b}. How many points did it get?
        """,
        "a-b diff @point": """
            {A} has {a point} and {B} has {b}. By how many points is {A} ahead?
            The winners made {a point} and the losers {b}. By how many points did they win?
        """,
        "a-b product @point": """
            {A} scored {a point}, which is {b} more than {B}. How many points did {B} score?
        """,
        "a*b product @point <30": """
            A goal counts {a point}. How many points do {b goal} count?
            {A} makes {a point} in each of {b round}. How many points is that altogether?
        """,
        "a*b product @leg <30": """
            An insect has {b leg}. How many legs do {a insect} have?
        """,
        "a*4 product @leg <50": """
            A horse has four legs. How many legs do {a horse} have in all?
            How many legs do {a chair} have if each has four?
        """,
        "a*2 product @wheel <60": """
            A bicycle has two wheels. How many wheels do {a bicycle} have?
        """,
        "a+b sum @page": """
            {A} read {a page} yesterday and {b} today. How many pages is that in all?
        """,
        "a/b groups @page": """
            {A} puts {a photo} into an album, {b} on a page. How many pages are filled?
        """,
        "a-b diff @degree": """
            It was {a degree} at noon and {b degree} at night. How many degrees did it cool down?
        """,
        "a+b sum @degree": """
            It is {a degree} now and will be {b degree} warmer later. How warm will it be?
        """,
        "a-b product @win": """
            A team has won {a game} this year, {b} more than last year. How many did it win then?
        """,
        # Somebody keeps, or needs, some.
        "a-b left": """
            {A} has {a t} and gives away all but {b}. How many {ts} does {he give} away?
            {A} wants {a t} and has {b} so far. How many {ts} does {he} still need?
            {A} needs {a t}. {B} lends {him} {b}. How many {ts} are missing?
            Of {a t}, all but {b} <a is> sold. How many {ts} are sold?
        """,
        "a*b product @$ <40": """
            {A} saves {$a} every week. How much has {he} saved after {b week}?
            A worker earns {$a} an hour. How much does he earn in {b hour}?
            {b person} pay {$a} each. How much do they pay together?
            A ticket is {$a}. What do {b ticket} cost?
        """,
        "a/b each @$": """
            {b friend} pay {$a} together and share the bill equally. How much does each pay?
            A pack of {b t} costs {$a}. What is the price of a single one?
        """,
        "a-b left @$": """
            {A} had {$a} and paid {$b} for lunch. How much is left?
            {A} hands over {$a} for a book of {$b}. What change is due?
        """,
        "a-b product @$": """
            A coat is {$b} cheaper than a suit, which costs {$a}. What does the coat cost?
        """,
        "a+b sum @$": """
            A meal costs {$a} and the tip is {$b}. What is paid in total?
            {A} earned {$a} on {day1} and {$b} on {day2}. How much is that together?
        """,
        # Two calculations: the same.
        "a*b=c product @$; c+d sum @$ <30": """
            {A} buys {a u} at {$b} each and {an v} for {$d}. What is the total?
            {a ticket} cost {$b} each, and parking is {$d}. What does {A} pay in all?
        """,
        "a*b=c product @$; d-c left @$ <20": """
            {A} has {$d} and buys {a u} at {$b} each. How much money does {he} keep?
        """,
        "a/b=c each @$; c*d product @$": """
            {b u} cost {$a}. What would {d} of them cost?
        """,
        "a/b=c product @kilometer; c*d product @kilometer": """
            A cyclist does {a} km in {b hour}. At the same speed, how far is it in {d hour}?
        """,
        "a+b=c; c-d left": """
            {A} has {a col1 t} and {b col2 t}, and {d} of them <d is> broken. How many are whole?
        """,
        "a+b=c sum @thing; c-d left @thing": """
            There are {a t} and {b u} on a table. {d} of them <d falls> down. How many \
              things stay on it?
        """,
        "a*b=c; c-d left": """
            {a box} hold {b t} each, and {d} of those <d is> broken. How many {ts} are whole?
            There are {a row} of {b t}, and {d} <d is> taken. How many {ts} are still there?
        """,
        "a+b=c sum @person; c-d left @person": """
            A class has {a girl} and {b boy}. {d} <d is> ill today. How many children are \
              there today?
            {a man} and {b woman} are in a hall. {d} <d leaves>. How many people are left?
        """,
        "a-b=c left; c-d left": """
            {A} had {a t}. {b} broke and {d} got lost. How many {ts} does {he} still have?
            Of {a t}, {b} <b is> eaten on {day1} and {d} on {day2}. How many {ts} are left?
        """,
        "a+b=c product @mile; c*d product @mile <30": """
            {A} drives {a mile} there and {b mile} back by another way, on {d day}. How \
              many miles \
              is that in all?
        """,
        "a*b=c product @minute; c+d sum @minute <20": """
            {A} watches {a episode} of {b minute} and a film of {d minute}. How many \
              minutes is that?
        """,
    }
)
