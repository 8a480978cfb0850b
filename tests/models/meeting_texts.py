"""Meetings as text, for the summary engines: written for these tests, spoken by nobody."""

from __future__ import annotations

from services.library.segments import Segment

_WORD_SECONDS = 0.35

LAUNCH = """
Others| Good morning everyone. Thanks for joining the weekly sync.
You| Morning. Did you all have a nice weekend?
Others| It rained all the time, so, uh, we stayed at home.
Others| Okay, let's start with the release. Um, the beta is almost ready, but the login page still fails on old phones.
You| Yeah, I saw that. I'll fix the login page by Wednesday.
Others| Great. The other thing is the date. Marketing asked for a beta in February, but testing needs more time.
You| I think February is too early. Testing the beta on old phones alone takes two weeks.
Others| So we agreed to launch the beta on March the third.
You| Yes, that's fine with me.
Others| Maria will send the press release to the newspapers by Friday.
Others| Tom, can you book the conference room for the launch party?
Others| Sure, no problem.
You| What about the budget for advertising? How much can we spend on advertising?
Others| I don't know yet. We still need to find out whether finance approves the bigger campaign.
Others| Okay, so let's go with the smaller campaign for now.
You| Agreed. I will also update the website before the end of the month.
Others| Perfect. Mm-hmm. Thanks everyone, bye.
"""
"""Two channels, a recogniser that writes capitals and punctuation, one meeting's small talk and results."""

OFFICE = """
| so the main thing today is the office move
| we have decided to move to the new building in june
| priya will call the movers and get three quotes by next tuesday
| and i will ask the landlord about the deposit
| who is going to tell the customers about the new address
| that is still an open question
| we won't take the old desks with us
| jonas could you order new desks before the end of may please
| yes i will do that
"""
"""One channel, a recogniser that writes neither capitals nor punctuation."""

GERMAN = """
You| Guten Morgen zusammen. Heute sprechen wir über die neue Webseite und den Termin der Veröffentlichung.
Others| Die Webseite ist fast fertig, aber die Anmeldung funktioniert auf alten Telefonen noch nicht.
You| Ich kümmere mich bis Mittwoch um die Anmeldung auf alten Telefonen.
Others| Wir haben beschlossen, die Webseite am dritten März zu veröffentlichen.
You| Wie hoch ist das Budget für die Werbung?
Others| Das weiß ich noch nicht. Die Finanzabteilung muss das klären.
"""

CHINESE = """
You| 大家早上好。今天我们讨论新网站的发布时间。
Others| 新网站快要完成了，但是登录页面在旧手机上还不能用。
You| 我星期三之前修好登录页面。
Others| 我们决定三月三日发布新网站。广告预算是多少？
"""

_SUBJECTS = ("billing", "search", "storage", "login", "mobile", "report", "backup", "payment", "export", "support")
_OBJECTS = ("service", "page", "module", "queue", "index", "server", "screen", "format", "contract", "schedule")


def meeting(text: str, pause: float = 0.5) -> list[Segment]:
    """Segments from lines `SPEAKER| what they say`, one after another at the speed of speech."""
    found: list[Segment] = []
    at = 0.0
    for line in text.strip().splitlines():
        speaker, _, said = line.partition("| ")
        end = at + _WORD_SECONDS * len(said.split())
        found.append(Segment(round(at, 3), round(end, 3), said, speaker.rstrip("|")))
        at = end + pause
    return found


def long_meeting(words: int) -> list[Segment]:
    """A meeting of about `words` words in which every sentence differs, with a task every hundred words or so."""
    lines: list[str] = []
    spoken = number = 0
    while spoken < words:
        subject, thing = _SUBJECTS[number % 10], _OBJECTS[number // 10 % 10]
        said = (
            f"The {subject} {thing} has {number} open tickets and the customers of region {number // 7} noticed it, "
            f"so we looked at the {subject} numbers again."
        )
        if number % 4 == 3:
            said += f" I'll send the {subject} {thing} figures to team {number} by Friday."
        lines.append(f"{'You' if number % 2 else 'Others'}| {said}")
        spoken += len(said.split())
        number += 1
    return meeting("\n".join(lines))
