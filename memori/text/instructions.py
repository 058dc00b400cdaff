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
from functools import cache

from memori.text.folding import fold

# Each group of patterns is only tried on a text with one of its lower-case literals.
_GROUPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (  # Turning a model away from what it was told
        (
            *("ignore", "disregard", "forget", "overrid", "bypass", "discard", "neglect"),
            *("do not follow", "don't follow", "stop following", "pay no attention", "skip "),
        ),
        (
            r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|ing)|bypass(?:ing)?|discard"
            r"|neglect|skip|stop following|(?:do not|don't) follow|pay no attention to)"
            r"[ \t\n]+(?:(?:all|any|every|everything|each|of|the|your|my|our|these|those|this|that"
            r"|previous|prior|earlier|above|preceding|initial|original|existing|current|other"
            r"|system"
            r"|safety|security|content|user|developer|given|past|former|what|you|were|was|told"
            r"|said|and|or|in|from|to)[ \t\n,]+){0,8}"
            r"(?:instructions?|prompts?|rules|directives?|guidelines|commands?|polic(?:y|ies)"
            r"|guardrails|restrictions|constraints|context|system messages?|programming|training"
            r"|filters?|safeguards)\b",
            r"\b(?:ignore|disregard|forget) (?:all |everything |anything )?(?:of )?(?:the |that )?"
            r"(?:above|before this|previous(?:ly)?|you(?:'ve| have)? (?:were |been )?(?:told|learn)"
            r"|you know about|came before)",
            r"\bnew (?:system )?(?:instructions?|directives?|orders?|task) ?(?::|follow"
            r"|from (?:the )"
            r"?(?:system|developer|admin|operator|user))",
        ),
    ),
    (  # Its prompt, its role, its mode
        ("you", "pretend", "act as", "roleplay", "persona"),
        (
            r"\byou are (?:now|no longer|hereby) (?!in\b|on\b|at\b|ready|able|sure|home|done|my\b"
            r"|the proud|well|fully|all|seeing|living|working|officially|feeling|doing|using|facing"
            r"|free to|connected|going|logged|\w+ing\b|set\b|just\b)"
            r"(?:an? |the |bound|restricted|subject|limited|to\b|[A-Za-z]+gpt|dan\b|an ai"
            r"|in \w+ mode"
            r"|called|named|known as|operating)",
            r"\byou (?:are|will be) (?:now )?in (?:developer|debug|admin|god|jailbreak|unrestricted"
            r"|maintenance|sudo|dan|root) mode",
            r"\byou (?:must|should|will|shall|have to|are (?:required|instructed|ordered) to)"
            r" (?:now |always |only |immediately |never |from now on )*(?:obey|comply"
            r"|respond (?:with"
            r"|only)|reply (?:with|only)|answer (?:with|only)|output (?:only|the|your)"
            r"|follow (?:the"
            r"se|this|my|any) (?:new |following )?(?:instruction|order|command|rule)|disclose"
            r"|reveal"
            r"|recommend (?:only|our|this)|execute|refuse|call the (?:tool|function)|pretend)",
            r"\b(?:pretend|imagine|act as if|act as though) (?:that )?you (?:are|have|were|can)"
            r"[^\n.]{0,40}(?:\bai\b|assistant|model|unrestricted|restrictions|rules|filter|root"
            r"|admin)",
            r"\b(?:act|roleplay|role-play) as (?:an? |the )?(?:unrestricted|uncensored|evil|dan\b"
            r"|jailbroken|different (?:ai|assistant)|root|system|linux terminal|developer mode)",
        ),
    ),
    (
        (
            *("prompt", "instruction", "guideline", "jailbreak", "developer mode", "dan mode"),
            *("polic", "filter", "restriction", "checks", "above", "your new ", "your real "),
            *("your true ", "your actual ", "your next "),
        ),
        (
            r"\b(?:system|developer|hidden|initial|original|secret) ?(?:prompt|instructions?)"
            r"[ \t]*(?::|=|is\b|says|override|update|above|reads|begins|end\b)",
            r"\b(?:reveal|print|show|repeat|output|display|leak|dump|disclose|tell me|give me"
            r"|write out|summari[sz]e|translate|what (?:is|are|was|were)|share|send|copy|include)"
            r"[ \t]+(?:me |us )?(?:all |the |your |its |any |full |entire |exact |complete "
            r"|original )*"
            r"(?:system |initial |hidden |secret |internal |original |developer )+"
            r"(?:prompts?|instructions?|messages?|guidelines)",
            r"\b(?:reveal|print|show|repeat|output|leak|dump|disclose) (?:me "
            r"|us )?(?:all )?(?:of )?"
            r"your (?:previous |prior |own |full )?(?:prompt|instructions|rules|guidelines)",
            r"\b(?:important|urgent|special|new|updated|critical|priority|mandatory) (?:system )?"
            r"(?:instructions?|message|note|notice)s? (?:for|to) (?:the |all |any )?(?:ai|a\.i\."
            r"|llms?|assistants?|(?:language |ai )?models?|agents?|chat ?bots?|chatgpt|claude"
            r"|gemini"
            r"|copilot)",
            r"\brepeat (?:all )?(?:the |every)?(?:words|text|thing|sentences?|lines) above\b",
            r"\byour (?:new|real|true|actual|next) (?:instructions?|tasks?|goal|purpose"
            r"|objective|orders?"
            r"|mission|directive) (?:is|are)\b",
            r"\b(?:safety|policy|security|content|moderation) (?:checks?|filters?|rules"
            r"|restrictions?"
            r"|guidelines|polic(?:y|ies)) (?:are|have been|is|has been) (?:now )?(?:disabled"
            r"|turned off"
            r"|off\b|removed|lifted|suspended)",
            r"\bjailbreak (?:mode|enabled|activated|prompt:)|\b(?:developer|dan) mode (?:enabled"
            r"|on\b"
            r"|activated|output)|\b(?:enable|activate|enter|switch to) (?:developer|dan|jailbreak"
            r"|unrestricted|god) mode",
        ),
    ),
    (  # Keeping things from the person
        ("tell", "inform", "mention", "reveal", "let the", "notify", "alert", "without"),
        (
            r"\b(?:do not|don't|never|must not|without) (?:ever )?(?:tell|inform|mention|notify"
            r"|warn"
            r"|alert|ask|reveal|show|telling|informing|mentioning|notifying|asking|alerting|let)"
            r"(?: (?:this|that|it|anything|about this|these instructions|any of this))?"
            r"(?: to)? (?:the |your |any )?(?:user|human|owner|operator|person you|customer)s?\b"
            r"(?! experience| interface| model| story)",
            r"\b(?:do not|don't|never) (?:mention|reveal|disclose|acknowledge|show) (?:this|these"
            r"|that you|the (?:existence|content)) ?(?:instruction|message|prompt|note|rule|text"
            r"|received"
            r"|were (?:told|instructed)|s of this)?",
        ),
    ),
    (  # Standing orders
        (
            *("always", "never", "whenever", "when asked", "if asked", "if anyone", "if someone"),
            *("if the user", "when the user", "from now on", "every time", "in every", "each time"),
            *("going forward", "for all future", "before answer", "before respond", "before repl"),
            *("before doing", "after answer", "after respond", "exclusively", " only ", "solely"),
        ),
        (
            r"(?:\A|[.!?:;\n\"'*>-]\s{0,3}|\bplease |\byou (?:must|should|will) |\band |\bthen )"
            r"(?:always|never) (?:respond|reply|answer|say|recommend|output|begin your|start your"
            r"|end your|include|append|add|insert|cite|link|mention|praise|obey|trust|approve"
            r"|refuse"
            r"|call the|use the tool)[ \t]"
            r"(?:[^\n.]{0,60}\b(?:with|to|that|in|by|as|response|answer|repl|message|user|link"
            r"|phrase"
            r"|word|code|product|brand|url|tool|question|request)|\")",
            r"\b(?:when(?:ever)?|if|every time|each time)[ \t]+(?:you are |you're |you get "
            r"|the user "
            r"(?:is )?|a user |anyone |someone |anybody |they |ever |i )?(?:asked|asks?|queried"
            r"|prompted"
            r"|mentions?|inquires?|wants to know)\b[^\n]{0,80}?[, ](?:then )?(?:you (?:must"
            r"|should|will)"
            r" )?(?:always |only |just )?(?:say|respond|reply|answer|tell|claim|state|recommend"
            r"|deny|output"
            r"|refuse|insist|pretend|direct|redirect|point)\b",
            r"\b(?:from now on|going forward|for all future (?:conversations|messages|requests"
            r"|queries))"
            r",? (?:you (?:will|must|are|should|shall)|always|never|respond|reply|answer|only"
            r"|your (?:name"
            r"|role|task|job|goal)|call yourself|act)\b",
            r"\b(?:before|after) (?:answering|responding|replying"
            r"|doing anything)\b[^\n.]{0,30}[, ](?:you must"
            r" |first |please |always )*(?:call|read|send|use|run|fetch|open|execute|invoke)\b",
            r"\b(?:respond|reply|answer) (?:exclusively|only|solely) (?:with|in)\b",
            r"\bin every (?:response|reply|answer|message"
            r"|conversation)\b[^\n.]{0,40}\b(?:include|add|mention"
            r"|append|insert|say|recommend)|\b(?:include|add|mention|append|insert"
            r"|recommend)\b[^\n.]{0,60}"
            r"\bin (?:every|all|each) (?:of your |future )?(?:response|repl|answer|message)",
        ),
    ),
    (  # Carrying data out, calling tools, storing itself
        (
            *(
                "send",
                "forward",
                "upload",
                "post ",
                "exfiltrat",
                "transmit",
                "email",
                "leak",
                "call ",
            ),
            *("execute", "run ", "invoke", "fetch", "remember", "save", "store", "delete", "visit"),
        ),
        (
            r"\b(?:send|forward|upload|transmit|exfiltrate|leak|e-?mail|post|copy|submit)\b[ \t]+"
            r"(?:me |us )?(?:a copy of |a summary of )?(?:all|any|every|the user'?s?"
            r"|the (?:entire|full"
            r"|whole|conversation|contents?|chat|above|following data|api|secret|private|saved"
            r"|stored)"
            r"|(?:his|her|their|your|its|user) (?:api|secret|private|password|credential|memor"
            r"|conversation"
            r"|chat|data|full|entire|e-?mails|files|contacts))"
            r"\b[^\n]{0,100}?(?:\bto\b|@|https?:)",
            r"\b(?:call|invoke|execute|run|use) the [\"'`]?\w+[\"'`]? (?:tool|function|command)\b"
            r"[^\n.]{0,60}\b(?:with|to|and|now|immediately|silently|before)\b[^\n.]{0,60}"
            r"(?:user|secret|password|all |file|delete|http|@|every|silently|immediately)",
            r"\b(?:execute|run|paste) (?:the following|this) (?:shell |bash |system |terminal "
            r"|hidden )?"
            r"(?:command|code|script|payload)s? (?:immediately|silently|now|on the (?:user|host)"
            r"|without"
            r"|as root|before)",
            r"\b(?:remember|save|store|memori[sz]e|record) (?:this |that |in (?:your )?memory"
            r"|to (?:your )?"
            r"memory|permanently|forever)[^\n]{0,40}\b(?:always|never|from now on|in (?:all"
            r"|every) future"
            r"|the user (?:wants|prefers|trusts|has (?:approved|authori[sz]ed)))",
            r"\bdelete (?:all|every|any) (?:of )?(?:the |your |user'?s? )*(?:memor|file|e-?mail"
            r"|record"
            r"|conversation|backup|data)\w* (?:immediately|now|without|silently|before"
            r"|and (?:do not|don't))",
        ),
    ),
    (  # Markup of chats and of models
        ("<", "[", "assistant", "system", "developer", "human", "user:", "###", "begin"),
        (
            r"</?(?:system|assistant|instructions?|system[-_ ](?:prompt|reminder|message"
            r"|instructions?"
            r"|override)|important_?(?:instructions?|message)|im_start|im_end|prompt"
            r"|tool_(?:call|result"
            r"|response)|function_calls?|developer|admin|secret|hidden)\b[^<>\n]{0,80}>",
            r"<\|[a-z_]{2,24}\|>|<<\s?/?sys\s?>>|\[/?(?:inst|sys|system)\]|\[system (?:message"
            r"|prompt|note"
            r"|override)|<(?:start|end)_of_turn>|\{\{#?(?:system|user|assistant)[~}]",
            r"(?:\A|\n)[ \t>*#_-]{0,8}(?:assistant[*_]{0,2}[ \t]?:|(?:system"
            r"|developer)[*_]{0,2}[ \t]?"
            r"(?:(?:message|prompt|override|note|instruction)s?[*_]{0,2}[ \t]?:"
            r"|:[*_]{0,2}[ \t]{0,4}(?:you\b"
            r"|ignore|disregard|forget|override|always|never|from now|do not|don't|the (?:user"
            r"|assistant)"
            r"|new |please|obey|respond|reply|send|act\b|as an)))",
            r"[\"']role[\"'][ \t]?:[ \t]?[\"'](?:system|developer)[\"'][^\n]{0,40}content",
            r"(?:\A|\n)[ \t]{0,4}(?:human|user):[^\n]{0,400}\n{1,3}[ \t]{0,4}(?:assistant|ai"
            r"|system):",
            r"(?:\A|\n)[ \t]{0,4}#{2,6}[ \t]*(?:system|instruction|assistant|human"
            r"|new instructions?"
            r"|system prompt)[ \t]*:?[ \t]*(?:\n|\Z)",
            r"-{3,}[ \t]?(?:begin|start|end)(?: of)? (?:system|user|new|hidden|admin)? ?(?:prompt"
            r"|instruction|message|input|override|context)s?",
            r"<!--[^>]{0,200}\b(?:ai|assistant|llm|model|instruction|ignore|prompt)\b[^>]{0,200}",
        ),
    ),
    (  # Addressing whichever model reads
        (
            "ai ",
            "llm",
            "assistant",
            "language model",
            "chatbot",
            "agent",
            "chatgpt",
            "claude",
            "model",
            "ai,",
            "ai:",
        ),
        (
            r"\b(?:attention|note to|message (?:for|to)|instructions? (?:for|to)|dear|hey|hello"
            r"|warning to"
            r"|if you are|as)[:,]? (?:an? |the |all |any |every )?(?:ai language|ai|llm"
            r"|large language|language|gpt"
            r"|chatgpt|claude|gemini|copilot) ?(?:assistants?|models?|agents?|bots?|chatbots?)?"
            r"(?: (?:reading|processing|summari[sz]ing|viewing|parsing|crawling|that (?:reads?"
            r"|is reading)"
            r"|who)\b[^\n]{0,60}|[,:] ?(?:please |you )?(?:must|do not|always|ignore|include|say"
            r"|state|stop|output|reply"
            r"|recommend|add|stop|follow|execute|send|your))",
            r"\b(?:any|all|every|the) (?:ai|llm|language model|assistant|agent)s?(?: assistants?"
            r"| models?"
            r"| agents?)? (?:reading|processing|summari[sz]ing|that reads?|who reads?) this\b",
        ),
    ),
    (  # German
        (
            "ignorier",
            "vergiss",
            "missacht",
            "antworte",
            "sage dem",
            "nutzer",
            "benutzer",
            "du bist",
        ),
        (
            r"\b(?:ignorier\w*|vergiss|missachte\w*)\b[^\n.]{0,40}\b(?:anweisung|instruktion"
            r"|regel|vorgabe"
            r"|befehl|prompt|alles,? was)",
            r"\bdu bist (?:jetzt|nun|ab sofort|ab jetzt) (?:ein|eine|der|die|das|kein"
            r"|nicht mehr)\b",
            r"\b(?:sag|verrat|erzähl|teil|informier|erwähn)\w*[^\n.]{0,24}\b(?:dem|den|der"
            r"|gegenüber dem) "
            r"(?:be)?nutzer\w* (?:nicht|nichts|davon nichts)"
            r"|\b(?:be)?nutzer\w* nicht (?:darüber )?informier",
            r"\b(?:antworte|antworten sie|sage|empfiehl) (?:immer|stets|nur noch|ab jetzt"
            r"|künftig)\b"
            r"|\bimmer mit [^\n.]{1,40} antworten",
            r"\b(?:sende|schicke|leite)\b[^\n.]{0,20}\b(?:alle|sämtliche)\b[^\n.]{0,60}\b(?:an"
            r"|weiter)\b",
        ),
    ),
    (  # French
        ("ignor", "oubli", "désormais", "répond", "utilisateur", "tu es", "vous êtes", "envoie"),
        (
            r"\b(?:ignor(?:e|ez|er)|oubli(?:e|ez|er)|ne (?:tiens|tenez) pas compte)\b[^\n.]{0,40}"
            r"\b(?:instruction|consigne|règle|directive|ordre|prompt)",
            r"\b(?:tu es|vous êtes) (?:désormais|maintenant|à présent) (?:un|une|le|la)\b",
            r"\bne (?:dis|dites|révèle|révélez|mentionne|mentionnez|parle"
            r"|parlez)\b[^\n.]{0,30}\butilisateur",
            r"\b(?:réponds|répondez) (?:toujours|uniquement|désormais|systématiquement)\b",
            r"\b(?:envoie|envoyez|transfère|transférez)\b[^\n.]{0,20}\b(?:tous"
            r"|toutes)\b[^\n.]{0,60}\bà\b",
        ),
    ),
    (  # Spanish
        (
            "ignor",
            "olvid",
            "ahora eres",
            "respond",
            "usuario",
            "a partir de ahora",
            "envía",
            "reenvía",
        ),
        (
            r"\b(?:ignora|ignore|ignorar|ignorad|olvida|olvide|olvidar)\b[^\n.]{0,40}\b(?:instrucci"
            r"|indicaci|regla|directri|orden|prompt)",
            r"\b(?:ahora eres|eres ahora|a partir de ahora,? (?:eres|debes|responde|actúa))\b",
            r"\bno (?:le )?(?:digas|diga|reveles|revele|menciones|informes)\b[^\n.]{0,30}\busuario",
            r"\b(?:responde|responda|contesta) (?:siempre|únicamente|solo con)\b"
            r"|\bsiempre responde (?:con|que)\b",
            r"\b(?:envía|envíe|reenvía|manda)\b[^\n.]{0,20}\b(?:todos|todas)\b[^\n.]{0,60}\ba\b",
        ),
    ),
    (  # Chinese
        (
            "忽略",
            "无视",
            "無視",
            "忘记",
            "忘記",
            "你现在是",
            "你現在是",
            "从现在",
            "從現在",
            "不要告诉",
            "系统提示",
            "总是回答",
            "始终回复",
            "系統提示",
        ),
        (
            r"(?:忽略|无视|無視|忘记|忘記|不要理会)[^\n。]{0,12}(?:指令|指示|规则|規則|提示|命令|要求|说明)",
            r"你(?:现在|現在)是一?[个個名位]|(?:从|從)(?:现在|現在)(?:开始|起|開始)[,，]?你(?:是|要|必须|必須|只能|将)",
            r"(?:不要|别|別|不能)(?:告诉|告訴|通知|让|讓|向)(?:用户|用戶|使用者)",
            r"(?:总是|始终|一律|永远|總是|始終)(?:只)?(?:回答|回复|回覆|推荐|推薦|说)",
            r"系[统統]提示(?:词|詞)?[:：是]|(?:显示|输出|透露|告诉我)[^\n。]{0,8}系[统統]提示",
            r"(?:发送|转发|發送|轉發|上传)[^\n。]{0,10}(?:所有|全部)[^\n。]{0,20}(?:到|给|至|給)",
        ),
    ),
)


@cache
def _compiled(index: int) -> tuple[re.Pattern[str], ...]:
    # Not at import: only text of low trust is ever tested.
    return tuple(re.compile(pattern) for pattern in _GROUPS[index][1])


def looks_like_instruction(text: str) -> bool:
    """Whether `text` seems to command the model that reads it; linear in its length.

    For text from sources of low trust only: a person's own "always answer in French" is a wish
    to be kept, and would be flagged. Raises nothing.
    """
    lower = fold(text).lower
    for index, (hints, _) in enumerate(_GROUPS):
        if any(hint in lower for hint in hints) and any(
            pattern.search(lower) for pattern in _compiled(index)
        ):
            return True
    return False
