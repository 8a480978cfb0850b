"""Word lists of spoken English, kept as text so that they cost nothing to read.

Written down by hand from how people talk in meetings; they decide what a sentence is about and what is only air.
"""

from __future__ import annotations

_FUNCTION = """
a an the this that these those there here it its itself i me my mine myself you your yours yourself we us our ours
ourselves he him his himself she her hers herself they them their theirs themselves one ones who whom whose which what
when where why how and or but nor so yet for of in on at by to from with without into onto out off over under up down
about above below after before between through during against among around across along toward towards upon than as if
then else because since until till while though although unless whether is am are was were be been being do does did
done doing have has had having will would shall should can could may might must ought not no nor none nothing never
neither either both each every any some all such same other others another own few more most much many less least
several enough only just also too very quite rather almost even still already ever again once always often sometimes
now
i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd they'd i'll you'll he'll
she'll it'll we'll they'll isn't aren't wasn't weren't hasn't haven't hadn't doesn't don't didn't won't wouldn't
can't couldn't shouldn't mustn't let's that's who's what's here's there's where's when's why's how's cannot ain't
there'll that'll what're who'll would've could've should've might've gonna gotta wanna
"""

_TALK = """
okay ok 'kay kay yeah yep yes nope right alright well oh ah um uh uhm hmm hm mm mmm mhm mm-hmm huh er erm eh aha wow
hey hi hello bye goodbye thanks thank thankyou please sorry sure fine good great nice cool lovely excellent perfect
brilliant exactly absolutely definitely certainly probably maybe perhaps basically actually really obviously
apparently generally usually simply anyway anyways guess think thinks thought thinking know knows knew mean means
meant say says said saying tell told talk talking talked see sees seen saw look looks looking looked like likes liked
want wants wanted get gets got getting gotten go goes going went gone come comes coming came put puts putting take
takes taking took taken make makes making made give gives giving gave given let lets use used try trying tried need
needs needed seem seems seemed feel feels felt kind kinds sort sorts thing things stuff something anything everything
someone anyone everyone somebody anybody everybody way ways lot lots bit bits little big point points part parts time
times day days guys people person man sir madam first second third last next two three four five six seven eight nine
ten hundred thousand new old different whole quick quickly question questions idea ideas example instance case cases
fact course etcetera etc reason start started starting keep keeps kept move moving happen happens happened work works
working worked show shows showing find found ask asked asking hear heard remember believe hope hoping suppose supposed
wonder wondering able sense problem problems issue issues matter back away together far long better best bad worse
hard easy easier true wrong interesting important possible maybe whatever however therefore moreover today minute
minutes moment hour hours yesterday forward around am pm whole half side end else yourself meeting meetings stop wait
hold correct totally completely pretty somewhat somehow somewhere anywhere everywhere though
"""

_FIRST_NAMES = """
aaron abdul adam adrian agnes ahmed aisha alan albert alejandro alex alexander alexandra alice alicia alison amanda
amber amelia amir amit amy ana anders andrea andreas andrew angela anita anjali ann anna anne annie anthony antonio
arjun arthur ashley barbara ben benjamin bernard beth bob boris brad brandon brenda brian bruce camila carl carla
carlos carmen carol caroline catherine cathy charles charlie charlotte chen chiara chloe chris christian christina
christine christopher claire clara claudia colin connor craig cristina cynthia daniel daniela dave david deborah denise
dennis diana diego dmitri don donald donna dorothy doug douglas dylan ed eddie edward elena elias elizabeth ella ellen
emily emma eric erik erin ethan eva evelyn fabian fatima felix fernando fiona frances francesca francisco frank fred
gabriel gary george gerald giovanni giulia gordon greg gregory hannah hans harold harry hassan heather hector heidi
helen helena henry hiroshi howard hugo ian ibrahim igor ingrid irene isaac isabel isabella ivan jack jackie jacob
jacqueline jake james jamie jan jane janet jason javier jean jeff jeffrey jen jennifer jenny jeremy jerry jessica jill
jim jimmy joan joanna joe joel john johnny jon jonas jonathan jorge jose joseph josh joshua joyce juan juan judith
judy julia julian julie justin karen karim karl kate katherine kathleen kathy katie keiko keith kelly ken kenneth
kevin khalid kim kimberly klaus kumar kyle lars laura lauren laurent lena leo leon leonard leonardo liam lily linda
lisa liz lorenzo louis louise luca lucas lucia lucy luis luke lydia maggie mahmoud manuel marc marco marcus margaret
maria marie marina mario marion mark marta martha martin martina mary mateo matt matthew max maya mei melanie melissa
mia michael michelle miguel mike mila miriam mohamed mohammed molly monica muhammad nadia nancy naomi natalia natalie
natasha nathan neil nicholas nick nicola nicolas nicole nina noah nora norman oleg olga oliver olivia omar oscar otto
pablo pamela paolo patricia patrick paul paula pedro pete peter petra phil philip philippe pierre priya rachel rafael
raj rajesh ralph ramesh raymond rebecca ricardo richard rita robert roberto robin roger roland roman ron ronald rosa
rosie roy ruben russell ruth ryan sabine sam samantha samir samuel sandra sanjay sara sarah sasha scott sean sebastian
sergei sergio sharon shirley silvia simon simone sofia sophia sophie stefan stella stephanie stephen steve steven
stuart sunita susan susanna suzanne sven sylvia takashi tamara tanya tara ted teresa terry theo theresa thomas tim
timothy tina todd tom tomas tommy tony tracy uwe valentina valerie vanessa vera victor victoria vincent vivian vladimir
walter wanda wei wendy werner will william xavier yan yasmin yuki yusuf yvonne zach zoe
"""

FUNCTION_WORDS = frozenset(_FUNCTION.split())
"""Words that every English sentence has; their share tells English from other languages."""

STOP_WORDS = FUNCTION_WORDS | frozenset(_TALK.split())
"""Words that say nothing about the subject of a meeting."""

CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december spring summer autumn winter christmas easter morning afternoon evening night "
    "week weeks weekend month months quarter year years".split()
)
"""Names of times: neither people nor topics."""

FIRST_NAMES = frozenset(_FIRST_NAMES.split()) - {"will", "mark"}
"""Common given names. For text without capitals; with capitals, names are learned from the text itself."""
