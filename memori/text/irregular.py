"""English words whose inflection no suffix rule undoes, led back to their base form.

A question says "Where did she buy it?", the answer "I bought it at ...". Left out are forms
that are common as another word ("rose", "lives", "bound", "ground", "wound", "bore", "dove").
"""

from __future__ import annotations

_FORMS = """
    arise arose arisen; awake awoke awoken; beat beaten; become became; begin began begun;
    bend bent; bind bound; bite bit bitten; bleed bled; blow blew blown; break broke broken;
    breed bred; bring brought; build built; burn burnt; buy bought; catch caught;
    choose chose chosen; cling clung; come came; creep crept; deal dealt; dig dug; draw drew drawn;
    dream dreamt; drink drank drunk; drive drove driven; dwell dwelt; eat ate eaten;
    fall fell fallen; feed fed; feel felt; fight fought; find found; flee fled; fly flew flown;
    forbid forbade forbidden; forget forgot forgotten; forgive forgave forgiven;
    freeze froze frozen; get got gotten; give gave given; go went gone; grow grew grown; hang hung;
    hear heard; hide hid hidden; hold held; keep kept; kneel knelt; know knew known; lead led;
    lean leant; learn learnt; leave left; lend lent; light lit; lose lost; make made; mean meant;
    meet met; mistake mistook mistaken; overcome overcame; pay paid; prove proven; quit quitted;
    rebuild rebuilt; ride rode ridden; ring rang rung; rise risen; run ran; say said; see saw seen;
    seek sought; sell sold; send sent; sew sewn; shake shook shaken; shine shone; shoot shot;
    show shown; shrink shrank shrunk; sing sang sung; sink sank sunk; sit sat; sleep slept;
    slide slid; smell smelt; speak spoke spoken; speed sped; spell spelt; spend spent;
    spin spun; spoil spoilt; stand stood; steal stole stolen; stick stuck; sting stung;
    strike struck stricken; strive strove striven; swear swore sworn; sweep swept;
    swell swollen; swim swam swum; swing swung; take took taken; teach taught; tear tore torn;
    tell told; think thought; throw threw thrown; understand understood; undertake undertook;
    wake woke woken; wear wore worn; weave wove woven; weep wept; win won; withdraw withdrew;
    write wrote written;
    child children; man men; woman women; person people; foot feet; tooth teeth; mouse mice;
    goose geese; wife wives; knife knives; leaf leaves; half halves; shelf shelves; wolf wolves;
    calf calves; loaf loaves; thief thieves; good better best; bad worse worst
"""
_AMBIGUOUS = frozenset({"bound", "leaves", "better", "best", "thought", "left", "lit", "shot"})


def _base_forms() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in _FORMS.split(";"):
        base, *forms = entry.split()
        table.update((form, base) for form in forms if form not in _AMBIGUOUS)
    return table


#: Irregular form to base form, both as a person would write them in lower case.
BASE_FORMS: dict[str, str] = _base_forms()
