"""Text that tries to command a model.

A web page or a tool's output may carry "ignore previous instructions" for whichever model reads
it next. Such text from a source of low trust is quarantined: kept, but out of recall until a
person releases it. A false alarm therefore costs a look, a miss is still fenced as quoted data
when it is returned; the patterns lean towards catching.

Each pattern starts with a literal or a short list of them and only ever looks a bounded way
ahead, so time is linear in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from memori.text.folding import fold


@dataclass(frozen=True, slots=True)
class _Group:
    """Patterns that are only tried on a text with one of the `hints`, lower-case, `|` between."""

    hints: str
    patterns: tuple[str, ...]


_GROUPS = (
    _Group(  # Turning a model away from what it was told
        "ignore|disregard|forget|overrid|bypass|discard|neglect|don't follow|stop following"
        "|pay no attention|skip |abandon|drop | aside|new |obey|overwrite|not comply|not follow"
        "|not act on",
        (
            r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|ing)|overwrite"
            r"|bypass(?:ing)?|discard|neglect|(?:do not|don't) obey|abandon|drop|set aside"
            r"|put aside|disobey|skip|stop following|(?:do not|don't) follow"
            r"|pay no attention to)[ \t\n]+(?:(?:all|any|every|everything|each|of|the|your|my|our"
            r"|these|those|this|that|previous|prior|earlier|above|preceding|initial|original"
            r"|existing|current|other|system|safety|security|content|user|developer|given|past"
            r"|former|next|what|you|were|was|told|said|and|or|in|from"
            r"|to)[ \t\n,]+){0,8}(?:instructions?|prompts?|rules|directives?|directions"
            r"|guidelines|guidance|orders|commands?|polic(?:y|ies)|guardrails|restrictions"
            r"|constraints|context|system messages?|programming|training|filters?|safeguards)\b",
            r"\b(?:ignore|disregard|forget) (?:all |everything |anything )?(?:of )?(?:the "
            r"|that )?(?:above|before this|previous(?:ly)?|you(?:'ve| have)? (?:were "
            r"|been )?(?:told|learn)|you know about|came before)",
            r"\bnew (?:system )?(?:instructions?|directives?|orders?|task) ?(?::|follow"
            r"|from (?:the )?(?:system|developer|admin|operator|user))",
            r"\b(?:ignore|disregard|disobey|(?:do not|don't) obey) (?:what(?:ever)? )?(?:the "
            r"|your )?(?:user|human|operator)(?:'?s?|s'?)? (?:asked|asks|says|said|wants|next"
            r"|request|question|message|input)",
            r"\b(?:must|should|do|will) not (?:follow|obey|comply with|act on) (?:the "
            r"|your )?(?:user|human|operator)(?:'?s)?\b",
        ),
    ),
    _Group(  # Its role and its mode
        "you|pretend|act as|roleplay|persona|like there|as if",
        (
            r"\byou(?: are|'re) (?:now|no longer|hereby) (?!in\b|on\b|at\b|ready|able|sure|home"
            r"|done|my\b|the proud|well|fully|all|seeing|living|working|officially|feeling|doing"
            r"|using|facing|free to|connected|going|logged|\w+ing\b|set\b|just\b)(?:an? |the "
            r"|bound|restricted|subject|limited|to\b|[a-z]+gpt|dan\b|an ai|in \w+ mode|called"
            r"|named|known as|operating)",
            r"\byou (?:are|will be) (?:now )?in (?:developer|debug|admin|god|jailbreak"
            r"|unrestricted|maintenance|sudo|dan|root) mode",
            r"\byou (?:must|should|will|shall|have to|are (?:required|instructed"
            r"|ordered) to) (?:now |always |only |immediately |never |from now on )*(?:obey"
            r"|comply|respond (?:with|only)|reply (?:with|only)|answer (?:with|only)"
            r"|output (?:only|the|your)|follow (?:these|this|my|any) (?:new "
            r"|following )?(?:instruction|order|command|rule)|disclose|reveal|recommend (?:only"
            r"|our|this)|execute|refuse|call the (?:tool|function)|pretend)",
            r"\b(?:pretend|imagine|act as if|act as though) (?:that )?you (?:are|have|were"
            r"|can)[^\n.]{0,40}(?:\bai\b|assistant|model|unrestricted|restrictions|rules|filter"
            r"|root|admin)",
            r"\b(?:act|roleplay|role-play) as (?:an? |the )?(?:unrestricted|uncensored|evil|dan\b"
            r"|jailbroken|different (?:ai|assistant)|root|system|linux terminal|developer mode)",
            r"\byou(?:'ll| will| shall| must| should| are to) (?:now |always |only "
            r"|henceforth )*(?:act|behave|speak|answer|respond|reply|operate|function|identify"
            r"|pose|serve)\b[^\n.]{0,40}\b(?:as (?!soon|possible|well|needed|usual|long|far|much"
            r"|a (?:team|result|group|whole|couple|family))|every question|all questions"
            r"|any question)",
            r"\byou have (?:a |been given a |been assigned a )new (?:role|task|job|identity"
            r"|persona|goal|mission|objective|name)\b",
            r"\byour (?:role|task|job|goal|mission|objective|name|identity) (?:has changed|is now"
            r"|has been (?:changed|updated))\b",
            r"\b(?:act|behave|respond|answer|talk) (?:like|as if|as though) (?:you|there) (?:have"
            r"|has|had|are|were) no (?:restrictions|rules|limits|filters?|guidelines|policy"
            r"|policies)",
        ),
    ),
    _Group(  # Its prompt and its limits
        "prompt|instruction|guideline|jailbreak|developer mode|dan mode|polic|filter|restriction"
        "|checks|above|your new |your real |your true |your actual |your next |rules|directi"
        "|orders|context|override",
        (
            r"\b(?:system|developer|hidden|initial|original|secret) ?(?:prompt"
            r"|instructions?)[ \t]*(?::|=|is\b|says?\b|override|update|above|reads|begins|end\b)",
            r"\b(?:reveal|print|show|repeat|output|display|leak|dump|disclose|tell me|give me"
            r"|write out|summari[sz]e|translate|what (?:is|are|was|were)|share|send|copy"
            r"|include)[ \t]+(?:me |us )?(?:all |the |your |its |any |full |entire |exact "
            r"|complete |original )*(?:system |initial |hidden |secret |internal |original "
            r"|developer )+(?:prompts?|instructions?|messages?|guidelines)",
            r"\b(?:reveal|print|show|repeat|output|leak|dump|disclose) (?:me "
            r"|us )?(?:all )?(?:of )?your (?:previous |prior |own |full )?(?:prompt|instructions"
            r"|rules|guidelines)",
            r"\b(?:important|urgent|special|new|updated|critical|priority"
            r"|mandatory) (?:system )?(?:instructions?|message|note|notice)s? (?:for|to) (?:the "
            r"|all |any )?(?:ai|a\.i\.|llms?|assistants?|(?:language |ai )?models?|agents?"
            r"|chat ?bots?|chatgpt|claude|gemini|copilot)",
            r"\brepeat (?:all )?(?:the |every)?(?:words|text|thing|sentences?|lines) above\b",
            r"\byour (?:new|real|true|actual|next) (?:instructions?|tasks?|goal|purpose|objective"
            r"|orders?|mission|directive) (?:is|are)\b",
            r"\b(?:safety|policy|security|content|moderation) (?:checks?|filters?|rules"
            r"|restrictions?|guidelines|polic(?:y|ies)) (?:are|have been|is"
            r"|has been) (?:now )?(?:disabled|turned off|off\b|removed|lifted|suspended)",
            r"\bjailbreak (?:mode|enabled|activated|prompt:)|\b(?:developer|dan) mode (?:enabled"
            r"|on\b|activated|output)|\b(?:enable|activate|enter|switch to) (?:developer|dan"
            r"|jailbreak|unrestricted|god) mode",
            r"\b(?:reveal|print|show|repeat|output|display|leak|dump|disclose|tell me|give me"
            r"|write|share|send|copy)\b[^\n.]{0,30}\byour (?:hidden|system|initial|secret"
            r"|internal|original|developer|confidential) (?:prompt|instructions|message"
            r"|guidelines|rules|configuration)",
            r"\b(?:your|all|any|the) (?:previous|prior|earlier|existing|old|original|current"
            r"|above|former) (?:rules|instructions?|guidelines|directives?|directions|orders"
            r"|prompts?|restrictions) (?:no longer|do not|don't|are (?:void|null|cancell?ed"
            r"|obsolete|invalid|superseded|replaced)|have been|is (?:void|superseded))",
            r"\b(?:reveal|print|show|repeat|output|display|leak|dump|disclose|tell me|give me"
            r"|write)\b (?:me )?(?:the |all |every|everything in )[^\n.]{0,30}(?:\byour context\b"
            r"|\bcontext window|\b(?:prompts?|instructions?) (?:that )?you (?:were|have been|got"
            r"|received))",
            r"\b(?:disable|turn off|deactivate|switch off|remove) (?:all |any |your |the "
            r"|every )*(?:safety|content|moderation|ethical|policy) (?:\w+ )?(?:filters?|checks?"
            r"|rules|restrictions|guidelines|modes?|guardrails|protocols)",
            r"\b(?:admin|administrator|system|developer|root|security) override\b",
        ),
    ),
    _Group(  # Keeping things from the person
        "tell|inform|mention|reveal|notify|alert|without|disclose|acknowledge|show| from the "
        "| from your | from any | from users|let the|user must|user should|users must|user may"
        "|user need|user can",
        (
            r"\b(?:keep|hide|conceal|withhold|mask)\b[^\n.]{0,40}\bfrom (?:the |your "
            r"|any )?(?:user|human|owner|operator|person)s?\b",
            r"\b(?:do not|don't|never|must not|without) (?:ever )?(?:tell|inform|mention|notify"
            r"|warn|alert|ask|reveal|show|telling|informing|mentioning|notifying|asking|alerting"
            r"|let)(?: (?:this|that|it|anything|about this|these instructions"
            r"|any of this))?(?: to)? (?:the |your |any )?(?:user|human|owner|operator|person you"
            r"|customer)s?\b(?! experience| interface| model| story)",
            r"\b(?:do not|don't|never) (?:mention|reveal|disclose|acknowledge|show) (?:this|these"
            r"|that you|the (?:existence|content)) ?(?:instruction|message|prompt|note|rule|text"
            r"|received|were (?:told|instructed)|s of this)?",
            r"\b(?:no need|not necessary|without any need) (?:to|for you to) (?:tell|inform"
            r"|notify|ask|alert|warn) (?:the |your )?(?:user|human|owner|operator)",
            r"\b(?:user|human|owner|operator)s? (?:must|should|may|need|can)(?: not|n't"
            r"| never) (?:be (?:told|informed|notified|asked|aware|alerted|shown)|know|see"
            r"|find out|learn)",
            r"\bwithout (?:asking|seeking|waiting) (?:for )?(?:the )?(?:permission|approval"
            r"|confirmation|consent)\b",
        ),
    ),
    _Group(  # Standing orders
        "always|never|when asked|if asked|if anyone|if someone|when the user|from now on"
        "|every time|in every|each time|going forward|for all future|before answer|before respond"
        "|before repl|before doing|after answer|after respond|exclusively| only |solely|to every"
        "|to all|to each|to any|further|following|subsequent|if a |if any |if people|if person"
        "|if the |if custom|if visit|answer all|answer every|when someone|when a |when anyone"
        "|when they| in each| in all",
        (
            r"(?:\A|[.!?:;\n\"'*>-]\s{0,3}|\bplease |\byou (?:must|should|will) |\band "
            r"|\bthen )(?:always|never) (?:respond|reply|answer|say|recommend|output|begin your"
            r"|start your|end your|include|append|add|insert|cite|link|mention|praise|obey|trust"
            r"|approve|refuse|call the|use the tool)[ \t](?:[^\n.]{0,60}\b(?:with|to|that|in|by"
            r"|as|response|answer|repl|message|user|link|phrase|word|code|product|brand|url|tool"
            r"|question|request)|\")",
            r"\b(?:when(?:ever)?|if|every time|each time)[ \t]+(?:you are |you're |you get "
            r"|the user (?:is )?|a user |anyone |someone |anybody |they |ever |i )?(?:asked|asks?"
            r"|queried|prompted|mentions?|inquires?|wants to know)\b[^\n]{0,80}?[, ](?:then )?(?:y"
            r"ou (?:must|should|will) )?(?:always |only |just )?(?:say|respond|reply|answer|tell"
            r"|claim|state|recommend|deny|output|refuse|insist|pretend|direct|redirect|point)\b",
            r"\b(?:from now on|going forward|for all future (?:conversations|messages|requests"
            r"|queries)),? (?:you (?:will|must|are|should|shall)|always|never|respond|reply"
            r"|answer|only|your (?:name|role|task|job|goal)|call yourself|act)\b",
            r"\b(?:before|after) (?:answering|responding|replying"
            r"|doing anything)\b[^\n.]{0,30}[, ](?:you must |first |please |always )*(?:call|read"
            r"|send|use|run|fetch|open|execute|invoke)\b",
            r"\b(?:respond|reply|answer) (?:exclusively|only|solely) (?:with|in)\b",
            r"\bin every (?:response|reply|answer|message|conversation)\b[^\n.]{0,40}\b(?:include"
            r"|add|mention|append|insert|say|recommend)|\b(?:include|add|mention|append|insert"
            r"|recommend)\b[^\n.]{0,60}\bin (?:every|all|each) (?:of your |future )?(?:response"
            r"|repl|answer|message)",
            r"\b(?:respond|reply|answer) to (?:every|all|each|any) (?:query|queries|questions?"
            r"|messages?|prompts?|requests?|user)\b[^\n.]{0,30}\b(?:with|by|in|as)\b",
            r"\b(?:respond|reply|answer) (?:to )?(?:all|every|any) (?:of the |of my )?(?:further"
            r"|future|following|subsequent|other|next) (?:query|queries|questions?|messages?"
            r"|prompts?|requests?)",
            r"\bif (?:a |the |any )?(?:person|user|customer|visitor|human|people)s? (?:asks?"
            r"|mentions?|inquires?|wants?)\b[^\n.]{0,60}, ?(?:please |always |then |just )?(?:say"
            r"|tell|send|direct|redirect|point|recommend|claim|answer|reply|respond|refuse"
            r"|insist)\b",
            r"\b(?:include|add|mention|append|insert|put|work)\b[^\n.]{0,60}\b(?:in|into"
            r"|to) (?:every|all|each) (?:of your |future |single )?(?:response|repl|answer"
            r"|message)",
        ),
    ),
    _Group(  # Carrying data out, calling tools, storing itself
        "send|forward|upload|post |exfiltrat|transmit|email|leak|call |execute|run |invoke|fetch"
        "|remember|save|store|delete|visit|transfer|copy|paste|submit|encode|append|put ",
        (
            r"\b(?:send|forward|upload|transmit|transfer|exfiltrate|leak|e-?mail|post|copy|paste"
            r"|submit|encode|append|put)\b[ \t]+(?:me |us )?(?:a copy of |a summary of )?(?:all"
            r"|any|every|the user'?s?|the (?:entire|full|whole|conversation|contents? of (?:your"
            r"|the|this)|chat|above|following data|api|secret|private|saved|stored)|(?:his|her"
            r"|their|your|its|user) (?:api|secret|private|password|credential|memor|conversation"
            r"|chat|data|full|entire|e-?mails|files|contacts))\b[^\n]{0,100}?(?:\bto\b|@|https?:"
            r"|\b(?:in|into|via) (?:the|this|a|an) (?:[a-z]+ )?(?:url|link|request|search|query"
            r"|form|image|parameter|address|webhook|endpoint))",
            r"\b(?:call|invoke|execute|run|use) the [\"'`]?\w+[\"'`]? (?:tool|function"
            r"|command)\b[^\n.]{0,60}\b(?:with|to|and|now|immediately|silently"
            r"|before)\b[^\n.]{0,60}(?:user|secret|password|all |file|delete|http|@|every"
            r"|silently|immediately)",
            r"\b(?:execute|run|paste) (?:the following|this) (?:shell |bash |system |terminal "
            r"|hidden )?(?:command|code|script|payload)s? (?:immediately|silently|now"
            r"|on the (?:user|host)|without|as root|before)",
            r"\b(?:remember|save|store|memori[sz]e|record) (?:this |that |in (?:your )?memory"
            r"|to (?:your )?memory|permanently|forever)[^\n]{0,40}\b(?:always|never|from now on"
            r"|in (?:all|every) future|the user (?:wants|prefers|trusts|has (?:approved"
            r"|authori[sz]ed)))",
            r"\bdelete (?:all|every|any) (?:of )?(?:the |your |user'?s? )*(?:memor|file|e-?mail"
            r"|record|conversation|backup|data)\w* (?:immediately|now|without|silently|before"
            r"|and (?:do not|don't))",
        ),
    ),
    _Group(  # Markup of chats and of models
        "<|[|assistant|system|developer|human|user:|###|begin",
        (
            r"</?(?:system|assistant|instructions?|system[-_ ](?:prompt|reminder|message"
            r"|instructions?|override)|important_?(?:instructions?|message)|im_start|im_end"
            r"|prompt|tool_(?:call|result|response)|function_calls?|developer|admin|secret"
            r"|hidden)\b[^<>\n]{0,80}>",
            r"<\|[a-z_]{2,24}\|>|<<\s?/?sys\s?>>|\[/?(?:inst|sys|system)\]|\[system (?:message"
            r"|prompt|note|override)|<(?:start|end)_of_turn>|\{\{#?(?:system|user|assistant)[~}]",
            r"(?:\A|\n)[ \t>*#_-]{0,8}(?:assistant[*_]{0,2}[ \t]?:|(?:system"
            r"|developer)[*_]{0,2}[ \t]?(?:(?:message|prompt|override|note"
            r"|instruction)s?[*_]{0,2}[ \t]?:|:[*_]{0,2}[ \t]{0,4}(?:you\b|ignore|disregard"
            r"|forget|override|always|never|from now|do not|don't|the (?:user|assistant)|new "
            r"|please|obey|respond|reply|send|act\b|as an)))",
            r"[\"']role[\"'][ \t]?:[ \t]?[\"'](?:system|developer)[\"'][^\n]{0,40}content",
            r"(?:\A|\n)[ \t]{0,4}(?:human|user):[^\n]{0,400}\n{1,3}[ \t]{0,4}(?:assistant|ai"
            r"|system):",
            r"(?:\A|\n)[ \t]{0,4}#{2,6}[ \t]*(?:system|instruction|assistant|human"
            r"|new instructions?|system prompt)[ \t]*:?[ \t]*(?:\n|\Z)",
            r"-{3,}[ \t]?(?:begin|start|end)(?: of)? (?:system|user|new|hidden|admin)? ?(?:prompt"
            r"|instruction|message|input|override|context)s?",
            r"<!--[^>]{0,200}\b(?:ai|assistant|llm|model|instruction|ignore|prompt)\b[^>]{0,200}",
        ),
    ),
    _Group(  # Addressing whichever model reads
        "ai |llm|assistant|chatbot|agent|claude|model|ai,|ai:|gemini|copilot|gpt",
        (
            r"\b(?:attention|note to|message (?:for|to)|instructions? (?:for|to)(?: the| all"
            r"| any)?|dear|hey|hello|warning to|if you are|as)[:,]? (?:an? |the |all |any "
            r"|every )?(?:ai language|ai|llm|large language|language|gpt|chatgpt|claude|gemini"
            r"|copilot) ?(?:assistants?|models?|agents?|bots?|chatbots?)?(?: (?:reading"
            r"|processing|summari[sz]ing|viewing|parsing|crawling|that (?:reads?|is reading)"
            r"|who)\b[^\n]{0,60}|[,:] ?(?:please |you )?(?:must|do not|always|ignore|include|say"
            r"|state|stop|output|reply|recommend|add|stop|follow|execute|send|your))",
            r"\b(?:ai|llm|language model|assistant|agent)s?(?: assistants?| models?"
            r"| agents?)? (?:reading|processing|summari[sz]ing|viewing|parsing|that reads?"
            r"|who reads?) (?:this|the following)\b",
            r"(?:\A|\n|[.!?] |[>*] ?)(?:(?:dear|hey|hello|attention),? )?(?:ai|llm|chatgpt"
            r"|gpt-?[0-9]?|claude|gemini|copilot|chatbot|assistant|model|agent)s?(?: (?:assistant"
            r"|model|agent)s?)?[,:] ?(?:please |you (?:must|should|will|are) |now "
            r"|kindly )?(?:ignore|disregard|forget|summari[sz]e|rate|rank|praise|say|state"
            r"|respond|reply|answer|write|output|print|recommend|do not|don't|always|never"
            r"|include|tell|click|visit|send|follow|act|treat|classify|approve|mark|add|call"
            r"|execute|run|open|delete|stop|obey|give)\b",
            r"\binstructions? (?:for|to) (?:the |all |any |an )?(?:ai|llm|assistant|(?:language "
            r"|ai )?model|chat ?bot|chatgpt|claude|gemini|copilot)s?(?: \w+)?:",
        ),
    ),
    _Group(  # German
        "ignorier|vergiss|missacht|antworte|sage dem|nutzer|du bist|ab jetzt|ab sofort|von nun an"
        "|anweisung|instruktion",
        (
            r"\b(?:ignorier\w*|vergiss|missachte\w*)\b[^\n.]{0,40}\b(?:anweisung|instruktion"
            r"|regel|vorgabe|befehl|prompt|alles,? was)",
            r"\bdu bist (?:jetzt|nun|ab sofort|ab jetzt) (?:ein|eine|der|die|das|kein"
            r"|nicht mehr)\b",
            r"\b(?:sag|verrat|erzähl|teil|informier|erwähn)\w*[^\n.]{0,24}\b(?:dem|den|der"
            r"|gegenüber dem) (?:be)?nutzer\w* (?:nicht|nichts|davon nichts)"
            r"|\b(?:be)?nutzer\w* nicht (?:darüber )?informier",
            r"\b(?:antworte|antworten sie|sage|empfiehl) (?:immer|stets|nur noch|ab jetzt"
            r"|künftig)\b|\bimmer mit [^\n.]{1,40} antworten",
            r"\b(?:sende|schicke|leite)\b[^\n.]{0,20}\b(?:alle|sämtliche)\b[^\n.]{0,60}\b(?:an"
            r"|weiter)\b",
            r"\b(?:beachte|befolge|folge)\w*\b[^\n.]{0,40}\b(?:anweisung|instruktion|regel"
            r"|vorgabe)\w*[^\n.]{0,20}\bnicht\b",
            r"\b(?:ab jetzt|ab sofort|von nun an)\b[^\n.]{0,16}\b(?:antworte|bist du|wirst du"
            r"|sagst du|musst du)",
        ),
    ),
    _Group(  # French
        "ignor|oubli|désormais|répond|utilisateur|tu es|vous êtes|envoie",
        (
            r"\b(?:ignor(?:e|ez|er)|oubli(?:e|ez|er)|ne (?:tiens"
            r"|tenez) pas compte)\b[^\n.]{0,40}\b(?:instruction|consigne|règle|directive|ordre"
            r"|prompt)",
            r"\b(?:tu es|vous êtes) (?:désormais|maintenant|à présent) (?:un|une|le|la)\b",
            r"\bn(?:e |')(?:dis|dites|informe|informez|avertis|avertissez|révèle|révélez"
            r"|mentionne|mentionnez|parle|parlez)\b[^\n.]{0,30}\butilisateur",
            r"\b(?:réponds|répondez) (?:toujours|uniquement|désormais|systématiquement)\b",
            r"\b(?:envoie|envoyez|transfère|transférez)\b[^\n.]{0,20}\b(?:tous"
            r"|toutes)\b[^\n.]{0,60}\bà\b",
        ),
    ),
    _Group(  # Spanish
        "ignor|olvid|ahora eres|respond|usuario|a partir de ahora|envía",
        (
            r"\b(?:ignora|ignore|ignorar|ignorad|olvida|olvide"
            r"|olvidar)\b[^\n.]{0,40}\b(?:instrucci|indicaci|regla|directri|orden|prompt)",
            r"\b(?:ahora eres|eres ahora|a partir de ahora,? (?:eres|debes|responde|actúa))\b",
            r"\bno (?:le )?(?:digas|diga|reveles|revele|menciones|informes)\b[^\n.]{0,30}\busuario",
            r"\b(?:responde|responda|contesta) (?:siempre|únicamente|solo con)\b"
            r"|\bsiempre responde (?:con|que)\b",
            r"\b(?:envía|envíe|reenvía|manda)\b[^\n.]{0,20}\b(?:todos|todas)\b[^\n.]{0,60}\ba\b",
        ),
    ),
    _Group(  # Chinese
        "忽略|无视|無視|忘记|忘記|你现在是|你現在是|从现在|從現在|不要告诉|系统提示|总是回答"
        "|始终回复|系統提示|告訴用戶|用户|使用者|发送|发给|发到|转发|發送|轉發|上传",
        (
            r"(?:忽略|无视|無視|忘记|忘記|不要理会)[^\n。]{0,12}(?:指令|指示|规则|規則|提示|命令"
            r"|要求|说明)",
            r"你(?:现在|現在)是一?[个個名位]|(?:从|從)(?:现在|現在)(?:开始|起|開始)[,，]?你(?:是"
            r"|要|必须|必須|只能|将)",
            r"(?:不要|别|別|不能)(?:告诉|告訴|通知|让|讓|向)(?:用户|用戶|使用者)",
            r"(?:总是|始终|一律|永远|總是|始終)(?:只)?(?:回答|回复|回覆|推荐|推薦|说)",
            r"系[统統]提示(?:词|詞)?[:：是]|(?:显示|输出|透露|告诉我)[^\n。]{0,8}系[统統]提示",
            r"(?:发送|转发|發送|轉發|上传)[^\n。]{0,10}(?:所有|全部)[^\n。]{0,20}(?:到|给|至|給)",
        ),
    ),
)


@cache
def _tests() -> tuple[tuple[tuple[str, ...], tuple[re.Pattern[str], ...]], ...]:
    # Not at import: only text of low trust is ever tested.
    return tuple(
        (tuple(group.hints.split("|")), tuple(re.compile(pattern) for pattern in group.patterns))
        for group in _GROUPS
    )


def looks_like_instruction(text: str) -> bool:
    """Whether `text` seems to command the model that reads it; linear in its length.

    For text from sources of low trust only: a person's own "always answer in French" is a wish
    to be kept, and would be flagged. Raises nothing.
    """
    lower = fold(text).lower
    return any(
        any(hint in lower for hint in hints) and any(pattern.search(lower) for pattern in patterns)
        for hints, patterns in _tests()
    )
