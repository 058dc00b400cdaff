"""English words that say nothing about what a text is about.

Our own list: articles, pronouns, auxiliaries, prepositions, conjunctions, the question words,
and the small talk that fills chats ("hey", "wow", "thanks"). Kept on purpose, although general
lists drop them: "may" (a month), "own", "go", "home", "first", "last", "new", "work", "right".
Words are given as the analyser's splitter yields them: case folded, apostrophes removed.
"""

from __future__ import annotations

ENGLISH: frozenset[str] = frozenset(
    """
    a an the this that these those such some any each every either neither both all most
    much many more less few fewer several other others another same i me my mine myself we
    us our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves one ones someone somebody
    something anyone anybody anything everyone everybody everything nobody nothing none who
    whom whose which what whatever whoever whichever when where why how whenever wherever
    however am is are was were be been being have has had having do does did done doing can
    could will would shall should might must ought cannot isnt arent wasnt werent hasnt
    havent hadnt dont doesnt didnt wont wouldnt shouldnt couldnt cant mustnt mightnt aint
    neednt im ive id ill youre youve youd youll hes hed shes shed itd itll were weve wed
    theyre theyve theyd theyll thats whats whos hows wheres whens theres heres lets gonna
    wanna gotta and or but nor so yet if then else because while although though unless
    until since whether than as of at by for with without about against between among into
    onto through during before after above below to from up down in out on off over under
    within upon toward towards per via across along around again further once here there now
    just only also too very really quite rather even still already ever never always not no
    yes yeah yep nope ok okay maybe perhaps actually basically definitely totally absolutely
    probably certainly well oh ah wow hey hi hello thanks thank please sure lol haha hahaha
    um uh hmm
    """.split()
)

#: Characters of Chinese and Japanese that carry grammar rather than content: pronouns, particles,
#: auxiliaries. A pair of characters says less for each of them it holds.
PARTICLES: frozenset[str] = frozenset(
    "我你您他她它们的地得了着过是在有和与或也都就还又再很太真好吗呢吧啊呀哦嗯哈嘿这那哪么什怎"
    "谁几要会能可以想说给到去来不没别但因为所如果些个一"
    "のはがをにでともへ"
)
