"""English words that carry little meaning by themselves (function words and fillers).

Other languages need no list: a word that is frequent in the text itself scores low.
"""

from typing import Final

_WORDS: Final = """
a about actually again all almost already also although always am an and another any anyway are
around as at away back basically be because been before being both bit but by came can come
could course did do does doing done down during each either else even ever every few for from
further get gets getting give go goes going got had has have having he hello her here hers
herself hey hi him himself his how however i i'd i'll i'm i've if in indeed into is it it's its
itself just kind know like literally lot made make many may maybe me mean might mine more most
much must my myself now of off often oh ok okay on once one only onto or other others our ours
ourselves out over own perhaps please pretty probably put quite rather really said same say see
she should since so some somehow something sometimes somewhat still such take than thank thanks
that that's the their theirs them themselves then there there's therefore these they they're
thing things think this those though through thus to together too toward towards under until up
upon us use very was we we'd we'll we're we've well went were what when where whether which
while who whole whom whose why will with within would yes yet you you'd you'll you're you've
your yours yourself
"""
STOP_WORDS: Final = frozenset(_WORDS.split())
