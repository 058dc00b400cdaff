"""Keys and tokens that can be told by their own shape: the formats providers publish.

Each rule names what it finds, literals one of which every find contains (so that a text without
them costs a substring search and no pattern), and a pattern. A new provider is one more line.
Patterns start at a boundary of the characters they consist of, so a search is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from memori.text.placeholders import is_placeholder_token

_START = r"(?<![A-Za-z0-9_-])"


@dataclass(frozen=True, slots=True)
class TokenRule:
    """One format: `pattern` finds a `kind` of secret (in its group 1, if it has one).

    `hints` are lower-case literals, one of which every find contains. With `near`, one of these
    lower-case words must also stand within 120 characters before the find.
    """

    kind: str
    hints: tuple[str, ...]
    pattern: str
    near: tuple[str, ...] = ()


def _rule(kind: str, hints: str, pattern: str, *, near: str = "") -> TokenRule:
    return TokenRule(kind, tuple(hints.split()), pattern, tuple(near.split()))


def _prefixed(kind: str, hints: str, pattern: str, *, near: str = "") -> TokenRule:
    return _rule(kind, hints, _START + pattern, near=near)


RULES: tuple[TokenRule, ...] = (
    # Models
    _prefixed("anthropic key", "sk-ant-", r"sk-ant-[\w-]{16,}"),
    _prefixed("openrouter key", "sk-or-", r"sk-or-[\w-]{20,}"),
    _prefixed("langfuse key", "sk-lf-", r"sk-lf-[\w-]{20,}"),
    _prefixed("openai key", "sk-", r"sk-(?:proj|svcacct|admin|service|none|None)-[\w-]{16,}"),
    _prefixed("openai key", "sk-", r"sk-[A-Za-z0-9]{20,}(?:[_-][\w-]{8,})?"),
    _prefixed("memori token", "memori_", r"memori_[0-9a-f]{16}_[\w-]{43}"),
    _prefixed("groq key", "gsk_", r"gsk_[A-Za-z0-9]{20,}"),
    _prefixed("xai key", "xai-", r"xai-[A-Za-z0-9]{20,}"),
    _prefixed("replicate token", "r8_", r"r8_[A-Za-z0-9]{20,}"),
    _prefixed("perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{20,}"),
    _prefixed("hugging face token", "hf_ api_org_", r"(?:hf|api_org)_[A-Za-z0-9]{20,}"),
    _prefixed("nvidia key", "nvapi-", r"nvapi-[\w-]{20,}"),
    _prefixed("tavily key", "tvly-", r"tvly-[\w-]{16,}"),
    _prefixed("fireworks key", "fw_", r"fw_[A-Za-z0-9]{22,}"),
    _prefixed("cerebras key", "csk-", r"csk-[A-Za-z0-9]{24,}"),
    _prefixed("langsmith key", "lsv2_", r"lsv2_(?:pt|sk)_[\w-]{20,}"),
    _prefixed("pinecone key", "pcsk_", r"pcsk_\w{20,}"),
    _prefixed("elevenlabs key", "sk_", r"sk_[0-9a-f]{40,}"),
    # Clouds
    _prefixed(
        "aws access key", "akia asia abia acca", r"A(?:KI|SI|BI|CC)A[A-Z0-9]{16}(?![A-Z0-9])"
    ),
    _rule(
        "aws secret key",
        "aws secret akia asia",
        r"(?<![A-Za-z0-9+/=])(?=[a-z0-9+/]{0,39}[A-Z])(?=[A-Z0-9+/]{0,39}[a-z])(?=[A-Za-z+/]{0,39}[0-9])"
        r"[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])",
        near="aws secret akia asia",
    ),
    _prefixed("google api key", "aiza", r"AIza[\w-]{30,}"),
    _prefixed("google oauth token", "ya29.", r"ya29\.[\w.-]{20,}"),
    _prefixed("google oauth token", "1//0", r"1//0[\w-]{30,}"),
    _prefixed("google client secret", "gocspx-", r"GOCSPX-[\w-]{20,}"),
    _prefixed("google api key", "aq.ab", r"AQ\.Ab[\w-]{30,}"),
    _rule(
        "azure key",
        "accountkey= sharedaccesskey=",
        r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})",
    ),
    _rule("azure signature", "sig=", r"(?<=[?&;])sig=([A-Za-z0-9%+/]{40,}={0,2})"),
    _rule("azure key", "q~", r"(?<![\w.~-])[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}(?![\w.~-])"),
    _rule("aws signature", "x-amz-signature=", r"(?i:x-amz-signature)=([0-9a-f]{64})"),
    _prefixed("digitalocean token", "_v1_", r"do[opr]_v1_[0-9a-f]{40,}"),
    _prefixed("databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-[0-9])?(?![0-9a-z])"),
    _prefixed("cloudflare token", "v1.0-", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
    _prefixed("cloudflare token", "cfut_ cfat_ cfk_", r"cf(?:ut|at|k)_[A-Za-z0-9]{30,}"),
    _prefixed("cloudflare token", "cloudflare", r"[A-Za-z0-9_-]{40}(?![\w-])", near="cloudflare"),
    _prefixed("heroku key", "hrku-", r"HRKU-[\w-]{30,}"),
    _prefixed("fly token", "fm1 fm2 fo1", r"(?:FlyV1 fm[12]_[\w+/=,-]{40,}|fo1_[\w-]{40,})"),
    _prefixed("netlify token", "nfp_", r"nfp_[A-Za-z0-9]{30,}"),
    _prefixed("vercel token", "vcp_ vci_ vca_ vcr_ vck_", r"vc[piark]_[A-Za-z0-9]{24,}"),
    _prefixed("doppler token", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{30,}"),
    _prefixed("vault token", "hvs. hvb. hvr.", r"hv[sbr]\.[\w-]{20,}"),
    _rule("terraform token", ".atlasv1.", r"(?<![\w.-])[A-Za-z0-9]{10,20}\.atlasv1\.[\w-]{40,}"),
    # Databases
    _prefixed("supabase key", "sb_secret_ sbp_", r"(?:sb_secret_[\w-]{16,}|sbp_[0-9a-zA-Z_]{36,})"),
    _prefixed("neon key", "napi_ npg_", r"(?:napi_[a-z0-9]{30,}|npg_[A-Za-z0-9]{10,})"),
    _prefixed("planetscale key", "pscale_", r"pscale_(?:tkn|oauth|pw)_[\w.-]{30,}"),
    # Code and packages
    _prefixed("github token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9_]{20,}"),
    _prefixed("github token", "github_pat_", r"github_pat_\w{22,}"),
    _prefixed(
        "gitlab token",
        "glpat- glptt- gldt- glrt- glcbt- glsoat- glft- glimt- glagent- gloas-",
        r"gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas)-[\w.-]{18,}",
    ),
    _prefixed("npm token", "npm_", r"npm_[A-Za-z0-9]{30,}"),
    _prefixed("pypi token", "pypi-", r"pypi-[\w-]{40,}"),
    _prefixed("docker token", "dckr_", r"dckr_(?:pat|oat)_[\w-]{20,}"),
    _prefixed("rubygems key", "rubygems_", r"rubygems_[0-9a-f]{40,}"),
    _prefixed("atlassian token", "atatt3 atctt3", r"AT[AC]TT3[\w=-]{40,}"),
    _prefixed("postman key", "pmak-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _prefixed("figma token", "figd_", r"figd_[\w-]{30,}"),
    _prefixed("linear key", "lin_api_ lin_oauth_", r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    _prefixed("notion token", "secret_", r"secret_[A-Za-z0-9]{40,}"),
    _prefixed("notion token", "ntn_", r"ntn_[A-Za-z0-9]{30,}"),
    _prefixed("airtable token", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{60,}"),
    _prefixed("sentry token", "sntrys_ sntryu_", r"sntry[su]_[\w+/=-]{30,}"),
    _prefixed("grafana token", "glsa_ glc_", r"(?:glsa|glc)_[\w+/=]{28,}"),
    _prefixed("new relic key", "nrak-", r"NRAK-[A-Z0-9]{24,}"),
    _prefixed("posthog key", "phx_", r"phx_[A-Za-z0-9]{30,}"),
    _prefixed("1password token", "ops_eyj", r"ops_eyJ[\w+/=-]{40,}"),
    # Messages and payment
    _prefixed("slack token", "xox", r"xox[abcdeoprs](?:\.xox[bp])?-[\w-]{10,}"),
    _prefixed("slack token", "xapp-", r"xapp-[0-9]-[\w-]{20,}"),
    _rule(
        "slack webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]{20,})",
    ),
    _rule(
        "discord webhook",
        "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/[0-9]{10,}/([\w-]{40,})",
    ),
    _rule("discord token", ".", r"(?<![\w.-])[A-Za-z0-9]{23,28}\.[\w-]{6}\.[\w-]{27,40}(?![\w.-])"),
    _prefixed("telegram bot token", ":aa", r"[0-9]{8,10}:AA[\w-]{33}(?![\w-])"),
    _prefixed("sendgrid key", "sg.", r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _prefixed("twilio key", "twilio", r"(?:SK|AC)[0-9a-f]{32}(?![0-9a-z])"),
    _prefixed("twilio key", "sk", r"SK[0-9a-f]{32}(?![0-9a-z])"),
    _prefixed("twilio key", "twilio", r"[0-9a-f]{32}(?![0-9a-z-])", near="twilio"),
    _prefixed("mailgun key", "key-", r"key-[0-9a-f]{32}(?![0-9a-z])"),
    _prefixed(
        "mailgun key",
        "mailgun",
        r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])",
        near="mailgun",
    ),
    _prefixed("mailchimp key", "-us", r"[0-9a-f]{32}-us[0-9]{1,2}(?![\w-])"),
    _prefixed("brevo key", "xkeysib-", r"xkeysib-[0-9a-f]{40,}[\w-]*+"),
    _prefixed("resend key", "re_", r"re_[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,}"),
    _prefixed("stripe key", "k_live_ k_test_", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}"),
    _prefixed("stripe key", "whsec_", r"whsec_[A-Za-z0-9+/=]{20,}"),
    _prefixed("square token", "sq0", r"sq0(?:atp|csp|idp)-[\w-]{20,}"),
    _prefixed("shopify token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    # Any issuer. A signed token (RFC 7519) is three parts, an encrypted one five.
    _rule("jwt", "eyj", r"(?<![\w.-])eyJ[\w-]{8,}+\.[\w-]{10,}+(?:\.[\w-]*+){1,3}"),
)

#: What must match before it is worth looking closer: the shortest token is in one piece this long.
TOKEN_LIKE = re.compile(r"[A-Za-z0-9_./+=-]{14}")

_HINTED = [(hint, rule) for rule in RULES for hint in rule.hints]
_NEAR_WITHIN = 120
# A token that a terminal or a mail program broke goes on at the start of the next line.
_BROKEN = re.compile(
    r"(?:\\?\r?\n[ \t]{0,8}"
    r"(?=[A-Za-z0-9_+/=.-]{0,200}[0-9])(?=[a-z0-9_+/=.-]{0,200}[A-Z])(?=[A-Z0-9_+/=.-]{0,200}[a-z])"
    r"[A-Za-z0-9_+/=.-]{16,}+(?=[\s\"'`,;)]|$))++"
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Not at import: most texts need none of the patterns, and a program's start should not pay.
    return re.compile(pattern, re.ASCII)


def find_tokens(text: str, lower: str) -> Iterator[tuple[int, int, str]]:
    """Spans `(start, end, kind)` of provider tokens in `text`; `lower` is it in lower case."""
    possible = dict.fromkeys([rule for hint, rule in _HINTED if hint in lower])
    for rule in possible:
        pattern = _compiled(rule.pattern)
        for match in pattern.finditer(text):
            start, end = match.span(1 if pattern.groups else 0)
            if is_placeholder_token(text[start:end]):
                continue
            if rule.near:
                nearby = lower[max(0, start - _NEAR_WITHIN) : start]
                if not any(word in nearby for word in rule.near):
                    continue
            broken = _BROKEN.match(text, end)
            if broken:
                end = broken.end()
            elif text[end - 1] == ".":  # the sentence's, not the token's
                end -= 1
            yield start, end, rule.kind
