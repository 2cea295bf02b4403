"""Sentences of stories: what there is at first, how it changes, and what is asked for at the end.

The steps of a sentence stand before it; T is what the story has come to. How they are written is
said in arithmetic_grammar.py and arithmetic_numbers.py.
"""

from dataclasses import dataclass, field

from unmask.data.arithmetic_grammar import Wording, wordings

Wordings = dict[str, tuple[Wording, ...]]


@dataclass(frozen=True)
class World:
    """What a kind of story is told with."""

    name: str
    starts: Wordings
    changes: Wordings
    ends: Wordings
    """Questions that ask for a calculation of their own."""
    questions: Wordings
    """What there is now, by the sign of the last calculation; "" fits all."""
    question_first: tuple[Wording, ...] = ()
    """Beginnings of a question that ends with the story: "How many does Tom have if"."""
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """How the answer says what there is now, by sign."""
    unit: str = "t"
    is_about_somebody: bool = True
    """Whether it matters whose the things are."""


HAVING = World(
    name="having",
    starts=wordings(
        {
            "": """
                {S} [has] {n t}
                {S} [has] {n t}
                {S} [starts] (the day|the week) with {n t}
                {S} [owns] {n t}
                {S} [keeps] {n t} in a (box|drawer|cupboard)
                There [are] {n t} on {A}'s (table|desk)
                {A}'s collection [has] {n t} in it
                {S} [counts] {n t} in the morning
                {S} [finds] {n t} (in the attic|at home|on the way home)
                {S} [buys] {n t} (at the market|at the shop|at the store)
                {S} [gets] {n t} (for {his} birthday|from {his} (aunt|uncle|grandmother))
                {B} [gives] {A} {n t}
                {S} [brings] {n t} to school
                {S} [is] the owner of {n t}
                {S} [collects] {ts} and already [has] {n}
                At first {A} [has] {n t}
                In the morning {A} [has] {n t}
                {S} [has] a bag (with|of) {n t}
            """,
            "a+b": """
                {S} [has] {a col1 t} and {b col2 t}
                {S} [has] {a t} in one {box} and {b t} in another
                {S} [buys] {a t} on {day1} and {b} on {day2}
                {S} [gets] {a t} from {B} and {b} from {C}
                {B} [has] {a t}, and {A} [has] {b} more than {B}
                {S} [has] {b more t} than {B}, who [has] {a}
                {S} [finds] {a t} in the morning and {b more t} in the afternoon
                {S} [has] {a t} at home and {b} at school
                {B} [has] {a t}. {A} [has] the same number and {b} more
                {A}'s (mother|father) [gives] {him} {a t}, and {B} [gives] {him} {b}
            """,
            "a-b": """
                {B} [has] {a t}, and {A} [has] {b} fewer than {B}
                {S} [has] {b fewer t} than {B}, who [has] {a}
                {B} [has] {a t}, which is {b} more than {A} [has]
                {B} [has] {a t}. {A} [has] {b} less than that
            """,
            "a*b": """
                {S} [has] {a box} with {b t} in each
                {S} [buys] {a box} of {b t}
                {S} [buys] {a box} with {b t} each
                {B} [has] {b t}, and {A} [has] {a times} as many
                {S} [has] {a times} as many {ts} as {B}, who [has] {b}
                {S} [gets] {b t} (a|every|each) day for {a day}
                {S} [gets] {b t} from each of {a friend}
                {S} [owns] {a box}, each with {b t} in it
                There [are] {a box} in {A}'s room, and each [holds] {b t}
                {A}'s cabinet [has] {a shelf} with {b t} on each
                Each of {A}'s {a friend} [gives] {him} {b t}
                {S} [has] {a row} of {b t}
                {S} [wins] {b t} in each of {a game}
            """,
            "2*b": """
                {B} [has] {b t}. {A} [has] double that number
                {S} [has] twice as many {ts} as {B}, who [has] {b}
                {S} [has] {b t} in each hand
            """,
            "3*b": """
                {B} [has] {b t}. {A} [has] triple that number
            """,
            "a/b": """
                {B} [divides] {a t} equally among {b child}, and {A} [is] one of them
                {B} [has] {a t}, which is {b times} as many as {A} [has]
                {A} [is] one of {b child} who [share] {a t} equally
                {a t} [are] shared equally by {b friend}, and {A} [is] one of the friends
            """,
            "a/2": """
                {B} [has] {a t}, and {A} [has] half as many
                {S} [has] half as many {ts} as {B}, who [has] {a}
                {B} [has] {a t} and [gives] half of them to {A}
                {S} and {B} [split] {a t} equally
            """,
            "a/3": """
                {B} [has] {a t}, and {A} [has] a third as many
            """,
        }
    ),
    changes=wordings(
        {
            "T+n": """
                {S} [buys] {n more t}
                {S} [buys] {n} more
                {S} [gets] {n} more from {B}
                {S} [gets] {n} more
                {B} [gives] {him} {n} more
                {B} [gives] {him} {n more t}
                {S} [finds] {n another t}
                {S} [finds] {n more t} (in a drawer|under the bed|in the garden)
                {S} [receives] {n more t} (as a gift|as a present|by post)
                {S} [wins] {n more} (at the fair|in a game|in a raffle)
                {S} [picks] up {n more t}
                {S} [adds] {n} to {his} collection
                {his} (friend|neighbor|cousin) [brings] {him} {n more t}
                {B} [hands] {him} {n another t}
                {S} [borrows] {n} from {B}
                {n more t} <n arrives> for {him} in the mail
                {S} [collects] {n another}
                {A}'s (mother|father|uncle|aunt) [buys] {him} {n more t}
                {S} [takes] {n more t} (from a shelf|out of a bag)
                {S} [is] given {n} more
                the next day {B} [sends] {him} {n t}
                {S} [gets] {n another t} (on {day1}|at school)
            """,
            "T-n": """
                {S} [gives] {n} of them to {B}
                {S} [gives] {B} {n t}
                {S} [gives] {n} to {B}
                {S} [loses] {n t}
                {S} [loses] {n} of them
                {S} [sells] {n t}
                {S} [sells] {n} of them (at the market|to {B})
                {B} [takes] {n} of them
                {B} [takes] {n t} from {him}
                {S} [gives] away {n}
                {S} [gives] {n} away
                {S} [throws] away {n} of them
                {S} [lends] {n} to {B}
                {S} [uses] {n} of them
                {S} [drops] {n t} into the river
                {S} [leaves] {n t} at school
                {B} [borrows] {n t} from {him}
                {S} [donates] {n} to (the school|a charity)
                {n} of them <n gets> lost
                {n} of the {ts} <n is> broken and thrown away
                {A}'s dog [steals] {n} of them
                {S} [returns] {n t} to the shop
                {S} [has] to give {n} back
                a thief [steals] {n} of the {ts}
            """,
            "T-n left": """
                {S} [eats] {n} of them
                {S} [eats] {n t}
                {S} [eats] {n}
                {B} [eats] {n} of them
                {n} of the {ts} <n goes> bad
                {A}'s dog [eats] {n t}
                {S} and {B} [eat] {n} of them for lunch
            """,
            "T*n": """
                {S} [works] until {he has} {n times} as many
                {S} [collects] more until {he has} {n times} as many
                after a (month|year) {he has} {n times} as many {ts}
                by the end of the (week|month) {he has} {n times} as many
                {B} [gives] {him} enough to have {n times} as many
                the number of {his} {ts} [becomes] {n times} as large
            """,
            "T*2": """
                {S} [doubles] {his} collection
                {S} [doubles] the number of {his} {ts}
                the number of {his} {ts} [doubles]
            """,
            "T*3": """
                {S} [triples] the number of {his} {ts}
                the number of {his} {ts} [triples]
            """,
            "T/n": """
                {S} [divides] them into {n equal part} and [keeps] only one part
                {S} [splits] them equally into {n bag} and [keeps] only one bag
                {S} [makes] {n equal pile} of them and [keeps] just one pile
                {n child}, {A} among them, [share] the {ts} equally
                {S} [packs] them equally into {n box} and [gives] away all but one of the {boxes}
            """,
            "T/2": """
                {S} [gives] half of them to {B}
                {S} [gives] half of them away
                {S} [loses] half of them
                {S} [sells] half of {his} {ts}
                {S} [keeps] half of them and [gives] the rest to {B}
                {B} [takes] half of them
                {S} [shares] them equally with {B}
                {S} [uses] half of them
            """,
            "T/3": """
                {S} [keeps] a third of them and [gives] the rest away
            """,
            "T/4": """
                {S} [keeps] a quarter of them and [gives] the rest away
            """,
            "m*n=p; T+p": """
                {S} [buys] {m box} of {n t}
                {B} [gives] {him} {m box} with {n t} in each
                {S} [wins] {m bag} of {n t}
                {S} [gets] {n more t} from each of {m friend}
                {S} [finds] {n more t} (a|each|every) day for {m day}
                each of {his} {m friend} [gives] {him} {n t}
                {S} [gets] {m box} with {n t} each
                {m friend} [give] {him} {n t} each
            """,
            "m*n=p; T-p": """
                {S} [gives] {n t} to each of {m friend}
                {S} [gives] {n} each to {m friend}
                {S} [uses] {n} (a|each|every) day for {m day}
                {m friend} [take] {n t} each
                {S} [fills] {m box} with {n t} each and [gives] the {boxes} away
                {S} [sells] {n} to each of {m customer}
                {S} [loses] {n} (a|every) day for {m day}
            """,
            "m+n=p; T+p": """
                {S} [gets] {m} from {B} and {n} from {C}
                {B} [gives] {him} {m t} and {C} [gives] {him} {n}
                {S} [buys] {m} more on {day1} and {n} more on {day2}
            """,
            "m+n=p; T-p": """
                {S} [gives] {m} of them to {B} and {n} to {C}
                {S} [gives] {B} {m t} and {C} {n t}
                {S} [loses] {m} on {day1} and {n} on {day2}
                {S} [sells] {m} in the morning and {n} in the afternoon
            """,
            "T/3=p; T-p": """
                {S} [gives] a third of them to {B}
                {S} [loses] a third of them
            """,
            "T/4=p; T-p": """
                {S} [gives] a quarter of them to {B}
                {S} [sells] a quarter of them
            """,
            "T/5=p; T-p": """
                {S} [gives] a fifth of {his} {ts} away
            """,
            "2*n=p; T-p": """
                {S} [gives] {n} to {B} and the same number to {C}
            """,
        }
    ),
    ends=wordings(
        {
            "T+n": """
                {B} [has] {n t}. How many {ts} [do] {A} and {B} have (together|altogether|in   \
                  total|in all)?
                How many {ts} do {A} and {B} have together if {B} has {n}?
                If {B} has {n t}, how many {ts} do {A} and {B} have (together|altogether)?
                {B} [has] {n}. What is the total number of {ts} that {A} and {B} have?
                Together with {B}'s {n t}, how many {ts} is that?
                {B} [has] {n more t} than {A}. How many {ts} {does} {B} have?
            """,
            "T-n diff": """
                {B} [has] {n t}. How many more {ts} {does} {A} have than {B}?
                How many fewer {ts} does {B} have than {A} if {B} has {n}?
                {B} [has] {n t}. What is the difference between {A}'s and {B}'s number of {ts}?
                {B} [has] only {n}. How many fewer {ts} {does} {B} have than {A}?
                How many more {ts} does {A} have than {B}, who has {n}?
                {B} [has] {n fewer t} than {A}. How many {ts} {does} {B} have?
            """,
            "n-T diff": """
                {B} [has] {n t}. How many more {ts} {does} {B} have than {A}?
                {A} wants to have {n t}. How many more {does he need}?
                How many {ts} are missing if {A} wants to have {n}?
                {A} needs {n t} in all. How many more {ts} must {he} get?
                How many {ts} short of {n} is {A} now?
                {B} [has] {n}. How many fewer {ts} {does} {A} have than {B}?
            """,
            "T*n": """
                {B} [has] {n times} as many as {A} now. How many {ts} {does} {B} have?
                {B} [has] {n times} as many {ts} as {A}. How many is that?
                If {B} has {n times} as many {ts} as {A}, how many does {B} have?
                How many {ts} does {B} have if {bhe has} {n times} as many as {A}?
            """,
            "T*n product @$": """
                {A} can sell each {t} for {$n}. How much money would {he} get for all of them?
                Each {t} costs {$n}. How much do all of {his} {ts} cost?
                One {t} is worth {$n}. How much are all the {ts} worth?
                If the {ts} cost {$n} each, how much are they altogether?
                At {$n} per {t}, what is the value of the {ts}?
            """,
            "T/n": """
                {A} [puts] them equally into {n box}. How many {ts} [are] in each {box}?
                {n friend} [share] them equally. How many {ts} {does} each friend get?
                {A} [shares] them equally among {n child}. How many {ts} {does} each child get?
                {A} [divides] them (equally|evenly) into {n group}. How many {ts} [are] in each  \
                   group?
                {A} [lays] them out in {n equal row}. How many {ts} [are] in each row?
                If {n person} share the {ts} equally, how many does each of them get?
                {A} [splits] the {ts} into {n equal pile}. How many [are] in each pile?
                {B} [has] them in {n equal bag} now. How many {ts} are in one bag?
                How many {ts} does each person get if {n person} share them equally?
                Shared fairly among {n child}, how many {ts} is that for each?
            """,
            "T/n product": """
                {A} [has] {n times} as many {ts} as {B}. How many {ts} {does} {B} have?
            """,
            "T/n groups @box": """
                {A} [puts] {n t} into each {box}. How many {boxes} {does he need}?
                How many {boxes} of {n} can {he} fill?
                They are packed in {boxes} of {n}. How many {boxes} are there?
                If each {box} holds {n t}, how many {boxes} does {A} need?
                How many {boxes} does {A} need if {n t} go into each?
            """,
            "T/n groups @day": """
                {A} [uses] {n} of them every day. How many days [do] they last?
                At {n} a day, how many days will {A}'s {ts} last?
            """,
            "T/n groups @row": """
                {A} lays them out in rows of {n}. How many rows are there?
            """,
            "T/n groups @friend": """
                {A} gives {n t} to each friend until none are left. How many friends get some?
            """,
            "T/2 product": """
                {B} [has] half as many as {A}. How many {ts} {does} {B} have?
                How many are half of {A}'s {ts}?
                If {A} gives half of the {ts} to {B}, how many does {B} get?
            """,
            "T*n=p; T+p": """
                {B} [has] {n times} as many {ts} as {A}. How many {ts} [do] {A} and {B} have   \
                  together?
                {B} [has] {n times} as many as {A}. How many {ts} [do] {A} and {B} have in total?
                How many {ts} do {A} and {B} have together if {B} has {n times} as many as {A}?
            """,
            "T*n=p; p-T diff": """
                {B} [has] {n times} as many {ts} as {A}. How many more {ts} {does} {B} have than \
                   {A}?
            """,
            "T/2=p; T+p": """
                {B} [has] half as many {ts} as {A}. How many {ts} [do] {A} and {B} have   \
                  (together|in all)?
            """,
            "T+m=p; T+p": """
                {B} [has] {m more t} than {A}. How many {ts} [do] {A} and {B} have   \
                  (together|altogether)?
                How many {ts} do {A} and {B} have together if {B} has {m} more than {A}?
            """,
            "T-m=p; T+p": """
                {B} [has] {m fewer t} than {A}. How many {ts} [do] {A} and {B} have (together|in \
                   total)?
            """,
            "T+m=p; p/n": """
                {B} [has] {m t}. They [put] all their {ts} together and [share] them equally   \
                  among {n child}. How many {ts} {does} each child get?
                {A} [puts] them together with {B}'s {m t} and [fills] {n box} equally with all   \
                  of them. How many {ts} [are] in each {box}?
            """,
            "m+n=p; T+p": """
                {B} [has] {m t} and {C} [has] {n}. How many {ts} [do] {A}, {B} and {C} have   \
                  (together|in all)?
                {B} [has] {m t} and [gets] {n} more. How many {ts} [do] {A} and {B} have together?
            """,
            "m-n=p; T+p": """
                {B} [has] {m t} and [loses] {n} of them. How many {ts} [do] {A} and {B} have   \
                  together in the end?
            """,
            "m*n=p; T+p": """
                {B} [has] {m box} of {n t}. How many {ts} [do] {A} and {B} have together?
            """,
            "m*n=p; p-T diff": """
                {B} [has] {m box} with {n t} in each. How many more {ts} {does} {B} have than {A}?
            """,
            "m*n=p; T-p diff": """
                {B} [has] {m box} with {n t} in each. How many more {ts} {does} {A} have than {B}?
            """,
            "m+n=p; p-T diff": """
                {B} [has] {m t} and [gets] {n} more. How many more {ts} {does} {B} have than {A}?
            """,
            "m-n=p; T-p diff": """
                {B} [has] {m t} and [loses] {n}. How many more {ts} {does} {A} have than {B}?
            """,
            "T/n=p; p-m left": """
                {A} [puts] them equally into {n box} and [takes] {m} out of one {box}. How many  \
                   {ts} [are] left in that {box}?
            """,
            "T/n=p groups @box; p*m product @$": """
                {A} [packs] {n t} into each {box} and [sells] every {box} for {$m}. How much   \
                  money {does he get}?
            """,
        }
    ),
    questions=wordings(
        {
            "": """
                How many {ts} does {A} have now?
                How many {ts} does {A} have now?
                How many {ts} {does he} have (at the end|in the end)?
                How many {ts} {does} {A} end up with?
                What is the number of {ts} that {A} has now?
                How many {ts} does {A} own now?
                Find the number of {ts} {A} has now.
                Can you work out how many {ts} {A} has now?
                Now how many {ts} {does} {A} have?
                So how many {ts} are {A}'s?
                How many {ts} {does} {A} have after that?
                Tell me how many {ts} {A} has now.
                How many {ts} {does} {A} have?
            """,
            "+": """
                How many {ts} {does} {A} have (altogether|in total|in all)?
                How many {ts} is that for {A} (altogether|in total|in all)?
                What is the total number of {ts} {A} has?
                How many {ts} {does he} have altogether?
            """,
            "*": """
                How many {ts} {does} {A} have (altogether|in total|in all)?
                What is the number of all {ts} that {A} has?
            """,
            "-": """
                How many {ts} [are] left?
                How many {ts} remain?
                How many {ts} does {A} still have?
                How many {ts} {does} {A} have left?
                How many {ts} {does he} have left?
                What number of {ts} is left?
                How many are left?
            """,
        }
    ),
    question_first=wordings(
        {
            "": """
                How many {ts} {does} {A} have if
                How many {ts} {does} {A} have in the end if
                What is the number of {ts} {A} has if
            """
        }
    )[""],
    roles={
        "+": ("{A} now has {r}.", "Now {A} has {r}.", "That makes {r}."),
        "-": ("{A} has {r} left.", "That leaves {r}.", "Now {A} has {r}."),
        "*": ("{A} now has {r}.", "That makes {r}."),
        "/": ("{A} now has {r}.", "That leaves {A} {r}."),
    },
)

PLACING = World(
    name="placing",
    starts=wordings(
        {
            "": """
                There [are] {n t} {in place}
                {A} [puts] {n t} {in place}
                The {place} [has] {n t} {in} it
                {in place} there [are] {n t}
                {A} [sees] {n t} {in place}
                {n t} [are] {in place}
            """,
            "a+b": """
                There [are] {a t} and {b more t} {in place}
                {A} [puts] {a t} {in place}, and {B} [puts] {b t} there
                {in place} there [are] {a col1 t} and {b col2 t}
            """,
            "a*b": """
                {in place} there [are] {a box} with {b t} in each
                There [are] {a row} of {b t} {in place}
                {A} [puts] {a box} of {b t} {in place}
                {a child} each [put] {b t} {in place}
            """,
        }
    ),
    changes=wordings(
        {
            "T+n": """
                {A} [puts] {n more t} there
                {n more t} <n is> added
                {A} [adds] {n}
                {B} [brings] {n more}
                somebody [puts] {n another t} there
                {A} [lays] {n more t} beside them
                {B} [puts] {n} more {in place}
                {n more t} <n is> put {in place}
            """,
            "T-n": """
                {A} [takes] {n} of them
                {A} [removes] {n t}
                {n} of them <n is> taken away
                {B} [takes] {n} away
                {n} of the {ts} <n is> sold
                {A} [takes] {n t} out of the room
                {n t} <n is> removed
                somebody [takes] {n} of the {ts}
            """,
            "T*2": """
                {A} [doubles] the number of {ts}
                the number of {ts} {in place} [doubles]
            """,
            "T*3": """
                {A} [triples] the number of {ts}
            """,
            "T*n": """
                {A} [adds] more until there [are] {n times} as many
                soon there [are] {n times} as many {ts} there
            """,
            "T/2": """
                {A} [takes] away half of them
                half of the {ts} [are] removed
                {B} [takes] half of the {ts}
            """,
            "m*n=p; T+p": """
                {A} [adds] {m box} of {n t}
                {m child} each [bring] {n more t}
            """,
            "m*n=p; T-p": """
                {m child} each [take] {n t} away
                {A} [takes] {n t} away on each of {m day}
            """,
        }
    ),
    ends=wordings(
        {
            "T*n": """
                There are {n place} like this. How many {ts} are there in all of them?
                In another place there [are] {n times} as many. How many {ts} [are] there?
            """,
            "T/n": """
                {n child} [share] the {ts} equally. How many {ts} {does} each child get?
                {A} [sorts] them into {n equal group}. How many {ts} [are] in each group?
                {A} [moves] them all into {n box}, the same number in each. How many {ts} [are]  \
                   in each {box}?
            """,
            "T/n groups @box": """
                {A} [packs] them all into {boxes} of {n}. How many {boxes} [are] there?
            """,
            "T-n diff": """
                On the floor there [are] {n t}. How many more {ts} are {in place}?
            """,
            "T+n": """
                On the floor there [are] {n t}. How many {ts} are there altogether?
            """,
            "n-T diff": """
                The {place} has room for {n t}. How many more {ts} can be put there?
            """,
        }
    ),
    questions=wordings(
        {
            "": """
                How many {ts} are {in place} now?
                How many {ts} are there now?
                How many {ts} are {in place}?
                What is the number of {ts} {in place} now?
                Now how many {ts} are there {in place}?
                Find the number of {ts} {in place}.
            """,
            "+": """
                How many {ts} are there (altogether|in total|in all)?
                What is the total number of {ts} {in place}?
            """,
            "-": """
                How many {ts} are left {in place}?
                How many {ts} remain {in place}?
                How many {ts} are left?
                How many {ts} are still {in place}?
            """,
        }
    ),
    question_first=wordings({"": "How many {ts} [are] {in place} if"})[""],
    roles={
        "+": ("Now there are {r}.", "That makes {r}.", "In all that is {r}."),
        "-": ("That leaves {r}.", "What is left is {r}."),
        "*": ("Now there are {r}.", "That makes {r}."),
        "/": ("That leaves {r}.", "What remains is {r}."),
    },
    is_about_somebody=False,
)

MEETING = World(
    name="meeting",
    starts=wordings(
        {
            "": """
                There [are] {n t} {at}
                {n t} [are] {at}
                In the morning there [are] {n t} {at}
                At first there [are] {n t} {at}
            """,
            "a+b": """
                There [are] {a t} and then {b more t} {at}
                {a col1 t} and {b col2 t} [are] {at}
            """,
            "a*b": """
                There [are] {a group} of {b t} {at}
                {a group} of {b t} each [are] {at}
            """,
        }
    ),
    changes=wordings(
        {
            "T+n": """
                {n more t} <n @comes>
                {n another t} <n @comes>
                after a while {n more} <n @comes>
                {n} more <n @comes>
                a little later {n another t} <n @comes>
            """,
            "T-n": """
                {n} of them <n @goes>
                {n t} <n @goes>
                {n} of the {ts} <n @goes>
                after a while {n} of them <n @goes>
                a little later {n t} <n @goes>
            """,
            "T*2": """
                the number of {ts} [doubles]
                soon there [are] twice as many {ts}
            """,
            "T*n": """
                soon there [are] {n times} as many {ts}
                by noon there [are] {n times} as many
            """,
            "T/2": """
                half of them [@goes*]
                half of the {ts} [@goes*]
            """,
            "m*n=p; T+p": """
                {m group} of {n t} each [@comes*]
                then {n more t} [@comes*] every hour for {m hour}
            """,
            "m*n=p; T-p": """
                {m group} of {n} each [@goes*]
            """,
        }
    ),
    ends=wordings(
        {
            "T/n": """
                They form {n equal group}. How many {ts} are in each group?
                They are divided equally into {n group}. How many {ts} are in each?
            """,
            "T/n groups @group": """
                They form groups of {n}. How many groups are there?
                If they are split into groups of {n}, how many groups are there?
            """,
            "T/2 groups @pair": """
                They go in pairs. How many pairs are there?
            """,
            "n-T diff": """
                There is room for {n t}. How many more can come?
            """,
            "T*n": """
                The next day there [are] {n times} as many. How many {ts} [are] there then?
            """,
        }
    ),
    questions=wordings(
        {
            "": """
                How many {ts} are {at} now?
                How many {ts} are there now?
                How many {ts} are now {at}?
                What is the number of {ts} {at} now?
                How many {ts} are there {at} after that?
            """,
            "+": """
                How many {ts} are there (altogether|in total|in all)?
            """,
            "-": """
                How many {ts} are left {at}?
                How many {ts} remain {at}?
                How many {ts} are left?
                How many {ts} are still there?
            """,
        }
    ),
    question_first=wordings({"": "How many {ts} [are] {at} if"})[""],
    roles=PLACING.roles,
    is_about_somebody=False,
)

MONEY = World(
    name="money",
    starts=wordings(
        {
            "": """
                {S} [has] {$n}
                {S} [saves] {$n}
                {S} [starts] with {$n} in {his} (wallet|purse|piggy bank)
                {S} [gets] {$n} for {his} birthday
                There [is] {$n} in {A}'s (wallet|piggy bank)
                {S} [earns] {$n}
                {A}'s (mother|father|aunt|uncle) [gives] {him} {$n}
                {S} [takes] {$n} to the (shop|market|fair)
            """,
            "a+b": """
                {S} [earns] {$a} on {day1} and {$b} on {day2}
                {S} [gets] {$a} from {B} and {$b} from {C}
                {S} [has] {$a} in {his} pocket and {$b} at home
            """,
            "a*b": """
                {S} [saves] {$b} (a|every|each) week for {a week}
                {S} [earns] {$b} an hour and [works] for {a hour}
                {S} [sells] {a t} for {$b} each
                {B} [has] {$b}, and {A} [has] {a times} as much
                {S} [gets] {$b} for each of {a lawn} that {he mows}
            """,
            "a/2": """
                {B} [has] {$a}, and {A} [has] half as much
            """,
            "a-b": """
                {B} [has] {$a}, and {A} [has] {$b} less
            """,
        }
    ),
    changes=wordings(
        {
            "T+n": """
                {S} [earns] {$n} (by washing cars|by mowing the lawn|for babysitting)
                {S} [earns] {$n} more
                {B} [gives] {him} {$n}
                {S} [finds] {$n} on the street
                {S} [sells] {his} {u} for {$n}
                {S} [is] paid {$n} (for {his} work|for helping {B})
                {S} [saves] {$n} more
                {S} [gets] {$n} from {his} (grandmother|grandfather)
                {S} [wins] {$n} in a contest
            """,
            "T-n": """
                {S} [spends] {$n} on {an u}
                {S} [spends] {$n} on (lunch|food|a book|clothes|a gift)
                {S} [buys] {an u} for {$n}
                {S} [pays] {$n} for (a ticket|a meal|the bus|a haircut)
                {S} [gives] {$n} to {B}
                {S} [loses] {$n}
                {S} [lends] {B} {$n}
                {S} [donates] {$n}
                {S} [spends] {$n}
                {S} [buys] (a book|a cap|a toy|a game) that [costs] {$n}
            """,
            "T*2": """
                {S} [doubles] {his} money
                {his} (mother|father) [doubles] the amount
            """,
            "T*n": """
                {S} [saves] until {he has} {n times} as much
            """,
            "T/2": """
                {S} [spends] half of {his} money
                {S} [gives] half of the money to {B}
                {S} [spends] half of the money on {an u}
            """,
            "m*n=p; T-p": """
                {S} [buys] {m u} for {$n} each
                {S} [buys] {m u} at {$n} each
                {S} [pays] for {m ticket} that [cost] {$n} each
                {S} [spends] {$n} (a|every) day for {m day}
                {S} [buys] {m book} at {$n} apiece
            """,
            "m*n=p; T+p": """
                {S} [earns] {$n} an hour for {m hour}
                {S} [sells] {m u} for {$n} each
                {S} [saves] {$n} a week for {m week}
            """,
            "m+n=p; T-p": """
                {S} [spends] {$m} on {an u} and {$n} on {an v}
                {S} [buys] {an u} for {$m} and {an v} for {$n}
            """,
            "T/4=p; T-p": """
                {S} [spends] a quarter of {his} money
            """,
            "T/3=p; T-p": """
                {S} [spends] a third of the money
            """,
        }
    ),
    ends=wordings(
        {
            "T+n sum @$": """
                {B} [has] {$n}. How much money [do] {A} and {B} have (together|altogether)?
                How much money do {A} and {B} have together if {B} has {$n}?
            """,
            "n-T diff @$": """
                (A bike|A phone|A game) costs {$n}. How much more money does {A} need?
                {A} wants to buy {an u} for {$n}. How much more does {he need}?
                How many more dollars does {A} need to buy {an u} that costs {$n}?
            """,
            "T-n diff @$": """
                {B} [has] {$n}. How much more money {does} {A} have than {B}?
            """,
            "T*n product @$": """
                {B} [has] {n times} as much money as {A}. How much {does} {B} have?
            """,
            "T/n each @$": """
                {A} [shares] the money equally among {n friend}. How much {does} each friend get?
                {A} [spends] the money evenly over {n day}. How much {does he spend} per day?
                If {n person} share the money equally, how many dollars does each get?
            """,
            "T/n groups @u": """
                One {u} costs {$n}. How many {us} can {A} buy with the money?
                {us} cost {$n} each. How many can {A} buy?
                How many {us} can {he} buy if each costs {$n}?
            """,
            "m*n=p product @$; T-p left @$": """
                {A} [buys] {m u} for {$n} each. How much change {does he} get?
            """,
        }
    ),
    questions=wordings(
        {
            "": """
                How much money does {A} have now?
                How much money {does he} have in the end?
                How much does {A} have now?
                How many dollars does {A} have now?
                What amount of money does {A} have now?
            """,
            "+": """
                How much money {does} {A} have (altogether|in total|in all)?
                How many dollars is that altogether?
            """,
            "-": """
                How much money {does} {A} have left?
                How much money is left?
                How much {does he} have left?
                How many dollars are left?
                How much money remains?
            """,
        }
    ),
    question_first=wordings({"": "How much money {does} {A} have if"})[""],
    roles=HAVING.roles,
    unit="$",
)

DOING = World(
    name="doing",
    starts=wordings(
        {
            "": """
                {S} [@act] {n t} on {day1}
                {S} [@act] {n t} (yesterday|in the morning|before lunch)
                {S} [@act] {n t} in the first week
            """,
            "a*b": """
                {S} [@act] {b t} (a|per|each|every) day for {a day}
                {S} [@act] {b t} (an|per|each|every) hour for {a hour}
                {S} [@act] {b t} (a|each|every) week for {a week}
                For {a day} {A} [@act] {b t} (a|every|each) day
                In each of {a week} {A} [@act] {b t}
                {B} [@act] {b t}, and {A} [@act] {a times} as many
            """,
            "a+b": """
                {S} [@act] {a t} on {day1} and {b} on {day2}
                {B} [@act] {a t}, and {A} [@act] {b} more than {B}
                {S} [@act] {a t} in the morning and {b more t} in the afternoon
                First {A} [@act] {a t} and then {b more t}
            """,
            "a-b": """
                {B} [@act] {a t}, and {A} [@act] {b} fewer than {B}
            """,
            "a/2": """
                {B} [@act] {a t}, and {A} [@act] half as many
            """,
        }
    ),
    changes=wordings(
        {
            "T+n": """
                {S} [@act] {n more t} (later|the next day|in the evening)
                {S} [@act] {n more t} on {day2}
                on {day2} {he} [@act] {n} more
                the next day {A} [@act] {n another t}
                after a break {A} [@act] {n more t}
            """,
            "m*n=p; T+p": """
                {S} [@act] {n more t} (a|each|every) day for {m day}
                then {A} [@act] {n t} on each of {m day}
            """,
            "T*n=p; T+p": """
                on {day2} {A} [@act] {n times} as many
                {S} [@act] {n times} as many the next day
            """,
            "T/2=p; T+p": """
                on {day2} {A} [@act] half as many
            """,
            "T+m=p; T+p": """
                on {day2} {A} [@act] {m} more than on the day before
            """,
        }
    ),
    ends=wordings(
        {
            "n-T diff": """
                {A} wants to {@base} {n t}. How many {ts} are still to go?
                The goal is {n t}. How many {ts} are missing?
                {A} must {@base} {n t} in all. How many more {ts} is that?
                {B} [@act] {n t}. How many more {ts} [is] that than {A}'s?
            """,
            "T+n": """
                {B} [@act] {n t}. How many {ts} {did} they {@base} together?
            """,
            "T-n diff": """
                {B} [@act] {n t}. How many more {ts} {did} {A} {@base} than {B}?
            """,
            "T*n": """
                {B} [@act] {n times} as many. How many {ts} {did} {B} {@base}?
            """,
            "T/n product": """
                This took {n hour}. How many {ts} is that per hour?
                {B} needed {n day} for as many, the same number each day. How many {ts} a day is \
                   that?
                {B} [@act] the same number in {n day}. How many {ts} a day is that?
            """,
        }
    ),
    questions=wordings(
        {
            "": """
                How many {ts} {did} {A} {@base} (altogether|in total|in all)?
                How many {ts} is that (altogether|in total|in all)?
                How many {ts} {did} {he} {@base} in all?
                What is the total number of {ts}?
                How many {ts} {did} {A} {@base}?
            """
        }
    ),
    roles={
        "+": ("That makes {r}.", "In all that is {r}.", "The total is {r}."),
        "-": ("That is {r}.",),
        "*": ("That is {r}.", "That makes {r}."),
        "/": ("That is {r}.",),
    },
)

WORLDS = (HAVING, PLACING, MEETING, MONEY, DOING)

ASIDES = tuple(
    Wording(text)
    for text in (
        "{A} is {d year} old.",
        "{B} is {d year} old.",
        "{A} [has] {d u}, too.",
        "{A} also [has] {d u}.",
        "{B} [has] {d u}.",
        "It [takes] {A} {d minute} to walk to school.",
        "{A} lives at number {d} in {his} street.",
        "It [is] {d degree} outside.",
        "The next town is {d mile} away.",
        "{A} has {d cousin}.",
        "There [are] {d u} in the (garage|kitchen|hall), too.",
        "The clock on the wall is {d year} old.",
        "{A} has known {B} for {d year}.",
    )
)
"""Sentences whose number has nothing to do with the question."""
