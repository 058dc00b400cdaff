"""Languages other than English: their function words, and which language a text is in.

The lists are our own: articles, pronouns, auxiliaries, prepositions, conjunctions and question
words, as the analyser's splitter yields them (case folded, accents of Latin letters removed). A
text in Latin script shows its language by them; other scripts belong to one language here each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import cache

from memori.text.stopwords import ENGLISH

DEFAULT = "english"
#: What a text must hold of another language's function words to count as written in it.
_ENOUGH = 2

#: Function words of languages in Latin script, by the name of their Snowball stemmer.
LATIN: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "german": """
            der die das den dem des ein eine einen einem einer eines kein keine keinen und oder
            aber denn sondern doch ich du er sie es wir ihr mich dich ihn uns euch mir dir ihm
            ihnen mein meine meinen meinem meiner dein deine deinen deinem sein seine seinen
            seinem ihre ihren ihrem unser unsere euer bin bist ist sind seid war warst waren
            gewesen habe hast hat haben hatte hatten werde wird werden wurde wurden kann kannst
            konnen konnte konnten muss musst mussen musste soll sollen sollte will wollen wollte
            darf durfen mag mochte nicht nichts auch nur noch schon sehr so wie was wer wen wem
            wo wohin woher wann warum wieso welche welcher welches in im an am auf aus bei beim
            mit nach seit von vom vor zu zum zur uber unter zwischen durch fur gegen ohne um bis
            wenn weil dass ob als da dann dort hier jetzt man sich dieser diese dieses diesem
            diesen jeder jede jedes alle alles etwas mal ja nein hallo danke bitte
        """,
        "french": """
            le la les un une des du de au aux et ou mais donc car ni or je tu il elle on nous
            vous ils elles me te se moi toi lui leur leurs mon ma mes ton ta tes son sa ses notre
            nos votre vos ce cet cette ces cela ca celui celle ceux qui que quoi dont ou quel
            quelle quels quelles quand comment pourquoi combien est suis es sommes etes sont etait
            etais etaient ete etre ai as a avons avez ont avait avais avaient avoir eu fait fais
            faire vais va vont peut peux pouvez veut veux ne pas plus moins tres trop aussi encore
            deja toujours jamais rien tout toute tous toutes en y dans sur sous avec sans pour par
            chez vers entre depuis pendant avant apres si comme parce alors oui non bonjour merci
        """,
        "spanish": """
            el la los las un una unos unas lo al del de y e o u pero sino que quien quienes cual
            cuales cuando donde adonde como cuanto cuanta cuantos cuantas porque por para con sin
            sobre entre hasta desde hacia en a ante tras segun yo tu el ella ello nosotros
            vosotros ellos ellas usted ustedes me te se nos os le les mi mis tu tus su sus nuestro
            nuestra nuestros nuestras mio mia este esta estos estas ese esa esos esas eso esto
            aquel aquella es soy eres somos son era eras eran fue fui fueron ser sido estoy esta
            estas estamos estan estaba estaban estar he has ha hemos han habia habian haber hay
            tengo tiene tienes tienen tenia puedo puede pueden quiero quiere no ni si muy mas
            menos tambien ya aun todavia siempre nunca algo nada todo toda todos todas hola
            gracias
        """,
        "portuguese": """
            o a os as um uma uns umas ao aos do da dos das no na nos nas de em e ou mas nem que
            quem qual quais quando onde aonde como quanto quanta quantos quantas porque por para
            pelo pela pelos pelas com sem sobre entre ate desde eu tu ele ela nos vos eles elas
            voce voces me te se lhe lhes meu minha meus minhas teu tua seu sua seus suas nosso
            nossa este esta estes estas esse essa esses essas isso isto aquele aquela aquilo e sou
            es somos sao era eram foi fui foram ser sido estou estao estava estavam estar tenho
            tem temos tinha tinham ter ha havia posso pode podem quero quer nao sim muito mais
            menos tambem ja ainda sempre nunca algo nada tudo todo toda todos todas ola obrigado
            obrigada
        """,
        "italian": """
            il lo la i gli le un uno una di del dello della dei degli delle a al allo alla ai agli
            alle da dal dalla dai dalle in nel nello nella nei negli nelle con su sul sulla sui
            sulle per tra fra e ed o ma pero che chi cui quale quali quando dove come quanto
            quanta quanti quante perche io tu lui lei noi voi loro mi ti si ci vi mio mia miei mie
            tuo tua tuoi tue suo sua suoi sue nostro nostra vostro questo questa questi queste
            quello quella quelli quelle e sono sei siamo siete era ero eri erano stato stata
            essere ho hai ha abbiamo avete hanno aveva avevo avevano avere posso puo puoi possono
            voglio vuole non piu meno molto anche gia ancora sempre mai niente nulla tutto tutta
            tutti tutte se ciao grazie
        """,
        "dutch": """
            de het een en of maar want dus ik jij je u hij zij ze wij we jullie hem haar hen hun
            ons mij me jou mijn jouw zijn uw onze dit dat deze die wat wie waar wanneer waarom hoe
            welk welke ben bent is waren was geweest heb hebt heeft hebben had hadden word wordt
            worden werd werden kan kun kunt kunnen kon moet moeten moest wil willen wilde zal zou
            mag niet geen niets ook nog al wel zeer heel erg in op aan uit bij met naar van voor
            te om tot over onder tussen door tegen zonder sinds als omdat dan daar hier er nu zich
            elke alle alles iets ja nee hallo dank bedankt
        """,
        "swedish": """
            en ett den det de dem och eller men jag du han hon vi ni mig dig honom henne oss er
            min mitt mina din ditt dina sin sitt sina hans hennes var vart vara deras denna detta
            dessa som vad vem vilken vilket vilka nar hur varfor ar vara varit har hade haft blir
            blev bli kan kunde ska skulle maste vill ville far fick inte ingen inget inga ocksa
            annu redan mycket mer mest i pa av att till fran med utan for om vid under over mellan
            genom mot efter fore innan sedan dar har nu da sa dock nagon nagot nagra alla allt ja
            nej hej tack
        """,
        "norwegian": """
            en et ei den det de dem og eller men jeg du han hun vi dere meg deg ham henne oss min
            mitt mine din ditt dine sin sitt sine hans hennes var vart vare deres denne dette
            disse som hva hvem hvor hvilken hvilket hvilke nar hvordan hvorfor er vært har hadde
            blir ble bli kan kunne skal skulle ma matte vil ville far fikk ikke ingen intet ogsa
            enna allerede mye mer mest i pa av til fra med uten for om ved under over mellom
            gjennom mot etter siden der her na da sa noen noe alle alt ja nei hei takk
        """,
        "danish": """
            en et den det de dem og eller men jeg du han hun vi mig dig ham hende os jer min mit
            mine din dit dine sin sit sine hans hendes vores deres denne dette disse som hvad hvem
            hvor hvilken hvilket hvilke hvornar hvordan hvorfor er været har havde bliver blev
            kan kunne skal skulle ma matte vil ville far fik ikke ingen intet ogsa endnu allerede
            meget mere mest i pa af til fra med uden for om ved under over mellem gennem mod efter
            siden der her nu da sa nogen noget nogle alle alt ja nej hej tak
        """,
        "finnish": """
            mina sina han me te he se ne tama tuo nama nuo minun sinun hanen meidan teidan heidan
            minulla sinulla hanella minulle sinulle hanelle minua sinua hanta joka jotka mita mika
            kuka kenen missa mihin mista milloin koska miten miksi kuinka ja tai mutta vaan etta
            jos kun kuin olen olet on olemme olette ovat oli olin olivat ollut olla ei en et emme
            ette eivat voi voin voit pitaa taytyy haluan haluaa myos viela jo vain hyvin niin nyt
            sitten taalla siella tassa kanssa ilman ennen jalkeen kaikki jotain mitaan kylla
            kiitos
        """,
        "hungarian": """
            a az egy es vagy de hogy mert ha mint en te o mi ti ok engem teged ot minket nekem
            neked neki nekunk velem veled vele ez ezt azt ezek azok ki kit mi mit hol hova honnan
            mikor hogyan miert melyik mennyi hany van vagyok vagy vagyunk vannak volt voltam
            voltak lesz lenne nem ne nincs is meg mar csak nagyon igen itt ott most majd aztan
            utan elott alatt felett kozott nelkul szamara lehet kell tud akar minden valami semmi
            igen koszonom
        """,
        "romanian": """
            un o niste al a ai ale cel cea cei cele si sau dar insa iar eu tu el ea noi voi ei ele
            ma te se ne va imi iti isi mi ti lui lor meu mea mei mele tau ta sau sa nostru noastra
            acest aceasta acesti aceste acel acea asta care ce cine cui unde cand cum cat cati
            cate de la in pe cu fara pentru din spre prin peste sub intre pana dupa inainte despre
            este sunt esti suntem era eram erau fost fi am are avem au avea pot poate vreau vrea
            nu mai foarte tot toata toti toate si inca deja acum aici acolo daca fiindca da
            multumesc
        """,
        "turkish": """
            bir bu su o ve veya ya ile ama fakat icin gibi kadar daha en cok az ben sen biz siz
            onlar beni seni onu bizi sizi bana sana ona bize size benim senin onun bizim sizin ne
            kim nerede nereye nereden zaman nasıl neden nicin hangi kac mi mı mu midir degil var yok
            olan olarak oldu oldugu olur ise ki de da hem her hic sey sonra once simdi burada
            orada evet hayır merhaba tesekkurler
        """,
    }.items()
}

#: Function words of languages whose script is theirs here; never mistaken for another's.
OTHER_SCRIPTS: frozenset[str] = frozenset(
    word.casefold()
    for words in (
        """
    и в во не что он она оно они мы вы ты я на с со как а то все всё но да к ко у же бы по за от
    из о об до для при про без под над меня мне мной тебя тебе тобой его ему им её ее ей нас нам
    нами вас вам вами их ими мой моя моё мое мои твой твоя твои свой своя свои наш наша наши ваш
    ваша ваши этот эта это эти тот та те кто кого кому чем чего чему где куда откуда когда почему
    зачем какой какая какое какие сколько который которая которые был была было были быть есть
    буду будет будут если или либо чтобы потому так тоже также уже ещё еще только очень здесь там
    тут сейчас теперь потом ли ни нет привет спасибо
        """,
        """
    ο η το οι τα του της των τον την τους τις ενα ενας μια και αλλα ομως εγω εσυ αυτος αυτη αυτο
    εμεις εσεις αυτοι μου σου μας σας με σε να θα που τι ποιος ποια ποιο ποτε πως γιατι ποσο ειμαι
    εισαι ειναι ημουν ηταν εχω εχεις εχει ειχα ειχε δεν μη μην στο στη στον στην στα στους απο για
    προς μετα πριν χωρις κατω πανω αν οταν οτι επειδη πολυ πιο εδω εκει τωρα ναι οχι γεια ευχαριστω
        """,
        """
    في من الى إلى على عن مع هذا هذه ذلك تلك هو هي هم نحن انا أنا انت أنت كان كانت يكون هل ما ماذا
    متى اين أين كيف لماذا كم أي الذي التي الذين و او أو ثم لكن لا لم لن ليس قد كل بعد قبل عند هنا
    هناك ان أن إن إذا نعم شكرا
        """,
        """
    का की के को में से पर ने है हैं था थी थे हूँ हो और या लेकिन मैं तुम आप वह यह हम वे मेरा मेरी मेरे
    तुम्हारा उसका उसकी क्या कौन कहाँ कब कैसे क्यों कितना कितने जो तो भी ही नहीं न एक इस उस
        """,
    )
    for word in words.split()
)

#: Which Snowball stemmer reads a word of another script, by the first code point of the script's
#: range and the one after its last.
_SCRIPTS = (
    (0x0370, 0x0400, "greek"),
    (0x0400, 0x0530, "russian"),
    (0x0600, 0x0700, "arabic"),
    (0x0900, 0x0980, "hindi"),
    (0x0B80, 0x0C00, "tamil"),
)


def language_of(words: Collection[str]) -> str:
    """The language a text in Latin script is most likely in: its stemmer's name.

    Arguments:
        words: of the text, as `memori.text.analyser.split_words` gives them.

    Returns "english" unless the function words of another language speak clearly for it.
    """
    hits = _count(frozenset(words))
    if not hits:
        return DEFAULT
    best = max(hits.values())
    if best < _ENOUGH or best <= hits[DEFAULT]:
        return DEFAULT
    return next(language for language in LATIN if hits[language] == best)


def languages_of_question(words: Collection[str]) -> tuple[str, ...]:
    """The languages the words of a question may be in, the likeliest first; English among them.

    A question is short, so every language is named that its function words do not speak against:
    "english" alone when they are English, all languages when there is none at all.
    """
    hits = _count(frozenset(words))
    best = max((hits[language] for language in LATIN), default=0)
    if not hits:
        return (DEFAULT, *LATIN)
    if best <= hits[DEFAULT]:
        return (DEFAULT,)
    likely = [language for language in LATIN if hits[language] * 2 > best]
    return (*sorted(likely, key=lambda language: -hits[language]), DEFAULT)


@cache
def stop_words(language: str) -> frozenset[str]:
    """The words that say nothing about what a text of this language is about.

    Those of the other scripts are among them.
    """
    return OTHER_SCRIPTS | (ENGLISH if language == DEFAULT else LATIN[language])


def stemmer_of_script(word: str) -> str | None:
    """The stemmer for a word in a script other than Latin, if there is one."""
    code = ord(word[0])
    if code < _SCRIPTS[0][0]:
        return None
    return next((name for first, after, name in _SCRIPTS if first <= code < after), None)


def _count(words: frozenset[str]) -> Counter[str]:
    spoken = _languages_by_word()
    return Counter(language for word in words for language in spoken.get(word, ()))


@cache
def _languages_by_word() -> dict[str, tuple[str, ...]]:
    # Not at import: few texts need it.
    found: dict[str, list[str]] = {}
    for language, words in {DEFAULT: ENGLISH, **LATIN}.items():
        for word in words:
            found.setdefault(word, []).append(language)
    return {word: tuple(languages) for word, languages in found.items()}
