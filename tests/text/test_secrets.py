"""What the redactor promises: secrets go, placeholders and prose stay, time is linear.

Every secret here is made up and put together at run time, so that no scanner takes this file
for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.secrets import main as report
from memori.text.cards import passes_luhn
from memori.text.secrets import Redacted, redact

_DICE = random.Random(20240315)


def _some(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    # A letter, a capital and a digit first: a short random run may lack one of them.
    return ("aB3" + "".join(_DICE.choices(alphabet, k=count)))[:count]


def _hex(count: int) -> str:
    return "".join(_DICE.choices("0123456789abcdef", k=count))


def _upper(count: int) -> str:
    return "".join(_DICE.choices(string.ascii_uppercase + "234567", k=count))


def _base64_lines(count: int) -> str:
    return "\n".join(base64.b64encode(_DICE.randbytes(48)).decode() for _ in range(count))


def _card(prefix: str, length: int) -> str:
    body = prefix + "".join(_DICE.choices(string.digits, k=length - len(prefix) - 1))
    return next(body + digit for digit in string.digits if passes_luhn(body + digit))


def _fours(number: str, separator: str = " ") -> str:
    return separator.join(number[at : at + 4] for at in range(0, len(number), 4))


def _jwt() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    payload = base64.urlsafe_b64encode(b'{"sub":"1234567890","name":"A"}').decode().rstrip("=")
    return f"{header}.{payload}.{_some(43)}"


def _wide(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


_BEGIN, _END = "-----" + "BEGIN ", "-----" + "END "
_VISA = _card("4", 16)

# (kind, secret, text with {} where the secret stands)
SECRETS: list[tuple[str, str, str]] = [
    ("openai key", "sk-" + _some(48), "my key is {} ok"),
    ("openai key", "sk-" + "proj-" + _some(64), "OPENAI_API_KEY={}"),
    ("openai key", "sk-" + "svcacct-" + _some(40), 'client = OpenAI(api_key="{}")'),
    ("anthropic key", "sk-" + "ant-api03-" + _some(93) + "AA", "use {}."),
    ("openrouter key", "sk-" + "or-v1-" + _hex(64), "{}"),
    ("aws access key", "AKIA" + _upper(16), "id {}, region eu-west-1"),
    ("aws access key", "ASIA" + _upper(16), "{}"),
    ("aws secret key", _some(40), "aws_secret_access_key = {}"),
    ("aws secret key", _some(36) + "/x+9", "AWS secret key: {} thanks"),
    ("github token", "ghp_" + _some(36), "git clone https://x:{}@github.com/a/b"),
    ("github token", "gho_" + _some(36), "{}"),
    ("github token", "github_pat_" + _some(22) + "_" + _some(59), "token {}"),
    ("gitlab token", "glpat-" + _some(20), "glab auth: {}"),
    ("google api key", "AIza" + _some(35), "maps?key={}&q=1"),
    ("google oauth token", "ya29." + _some(80), "{}"),
    ("google client secret", "GOCSPX-" + _some(28), "{}"),
    ("slack token", "xoxb-" + "123456789012-123456789012-" + _some(24), "{}"),
    ("slack webhook", "T0001/B0001/" + _some(24), "https://hooks.slack.com/services/{}"),
    ("stripe key", "sk_" + "live_" + _some(24), "stripe.api_key = '{}'"),
    ("stripe key", "rk_" + "live_" + _some(24), "{}"),
    ("hugging face token", "hf_" + _some(34), "huggingface-cli login {}"),
    ("npm token", "npm_" + _some(36), "//packages.example.org/:_authToken={}"),
    ("pypi token", "pypi-" + "AgEIcHlwaS5vcmc" + _some(90), "{}"),
    ("sendgrid key", "SG." + _some(22) + "." + _some(43), "{}"),
    ("twilio key", "SK" + _hex(32), "our Twilio key {}"),
    ("telegram bot token", "1234567890:" + "AA" + _some(33), "bot {}"),
    ("discord token", "M" + _some(23) + "." + _some(6) + "." + _some(27), "{}"),
    ("digitalocean token", "dop_" + "v1_" + _hex(64), "{}"),
    (
        "azure key",
        base64.b64encode(_DICE.randbytes(64)).decode(),
        "AccountName=a;AccountKey={};X=y",
    ),
    ("supabase key", "sb_" + "secret_" + _some(32), "{}"),
    ("neon key", "napi_" + _hex(48), "{}"),
    ("groq key", "gsk_" + _some(52), "{}"),
    ("xai key", "xai-" + _some(80), "{}"),
    ("replicate token", "r8_" + _some(37), "{}"),
    ("perplexity key", "pplx-" + _some(48), "{}"),
    ("databricks token", "dapi" + _hex(32), "{}"),
    ("linear key", "lin_" + "api_" + _some(40), "{}"),
    ("notion token", "ntn_" + _some(46), "{}"),
    ("mailgun key", "key-" + _hex(32), "{}"),
    ("cloudflare token", _some(40), "Cloudflare API: {}"),
    ("jwt", _jwt(), "session {} expired"),
    ("password", "s3cr3t/x", "postgres://app:{}@db.example.com:5432/app"),
    ("password", "p4ssw0rd", "redis://:{}@localhost:6379/0"),
    ("password", "sw0rd-fish", "mongodb+srv://user:{}@cluster0.example.net/?retryWrites=true"),
    ("bearer token", _some(40), "Authorization: Bearer {}"),
    ("bearer token", _some(32), "-H 'authorization: bearer {}'"),
    ("basic credentials", base64.b64encode(b"user:hunter2").decode(), "Authorization: Basic {}"),
    ("api key", _some(32), "x-api-key: {}"),
    ("api key", _some(24), "https://api.example.com/v1?api_key={}&units=metric"),
    ("api key", _some(24), "WEATHER_API_KEY={}"),
    ("secret", _some(24), '"client_secret": "{}",'),
    ("token", _some(24), "access_token: '{}'"),
    ("password", "hunter2", 'password = "{}"'),
    ("password", "hunter2", '{{"user": "bob", "password": "{}"}}'),
    ("password", "swordfish", "export DB_PASSWORD={}"),
    ("password", "hunter2", "mysql --user root --password {} shop"),
    ("password", "hunter2", "<password>{}</password>"),
    ("password", "hunter22", "curl -u admin:{} https://example.com"),
    ("password", "hunter2", "my password is {}"),
    ("password", "hunter2", "The password for the router is {}. Write it down."),
    ("password", "Blue!Sky", "my wifi password is {}"),
    ("password", "bluesky77", "I changed my password to {} yesterday"),
    ("password", "Geheim123!", "mein Passwort ist {}"),
    ("password", "abc12345", "我的密码是{}。"),
    ("pin", "4821", "my PIN is {}"),
    ("card number", _VISA, "charge {} please"),
    ("card number", _fours(_VISA), "my card is {} exp 12/29"),
    ("card number", _fours(_VISA, "-"), "{}"),
    ("card number", _fours(_card("53", 16)), "mastercard {}"),
    ("card number", _card("2221", 16), "{}"),
    ("card number", _card("34", 15), "amex {}"),
    ("card number", _card("6011", 16), "discover {}"),
    ("card number", _card("4", 13), "old visa {}"),
    ("card number", _card("36", 14), "diners {}"),
    ("card number", _wide(_VISA), "full width {}"),
]

PLAIN: list[str] = [
    "550e8400-e29b-41d4-a716-446655440000",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b fixed it",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "md5sum d41d8cd98f00b204e9800998ecf8427e",
    "ISBN 978-3-16-148410-0 and 9783161484100",
    "call +49 30 901820 or (555) 010-9999 or +1-202-555-0143",
    "order number 1234567890123456, invoice 2024-0000123",
    "timestamps 1710498600000, 1710498600000000, 20240315103000 and 2024-03-15T10:30:00.123456Z",
    "EAN 4006381333931",
    "the colour is #ff8800 on #1a2b3c",
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    "we use sk-learn, scikit-learn and task-scheduler-configuration-manager",
    "sk-learn-contrib-imbalanced-ensemble-methods",
    "our password policy asks for 12 characters",
    "my password is wrong",
    "My password is too weak. I should change it.",
    "The password is required and must be at least 8 characters.",
    "the password is case-sensitive",
    "I forgot my password; the token: it never arrived",
    "The password is SHA-256 hashed and stored in 1Password.",
    "https://example.com/a/b?page=2&sort=asc",
    "https://example.com:8080/@user and http://user@example.com",
    "git@github.com:owner/repository.git",
    "She was the Bearer of bad news and a bearer certificate",
    "basic understanding of basic authentication",
    "YOUR_API_KEY",
    "API_KEY=YOUR_API_KEY",
    "api_key = '<token>'",
    'api_key=os.environ["OPENAI_API_KEY"]',
    "export OPENAI_API_KEY=sk-...",
    "sk-your-api-key-here",
    "sk-" + "x" * 40,
    "ghp_" + "x" * 36,
    "Authorization: Bearer YOUR_TOKEN",
    "Authorization: Bearer ${{ secrets.NPM_TOKEN }}",
    "Authorization: Bearer <token>",
    "headers={'Authorization': f'Bearer {token}'}",
    "postgres://user:password@localhost/db",
    "postgres://user:${DB_PASSWORD}@localhost/db",
    "postgres://user:<password>@localhost/db",
    "password = data.get('password')",
    "password=hashed_password",
    "user = User(name=username, password_hash=generate_password_hash(password))",
    "def login(username: str, password: str) -> bool:",
    "app.config['SECRET_KEY'] = 'your_secret_key_here'",
    "client.post('/login', json={'password': 'testpassword'})",
    "SECRET_KEY: ${{ secrets.SECRET_KEY }}",
    'token = create_access_token(identity=user.id, expires="1h")',
    "max_tokens=4096, pad_token='<pad>', tokenizer='bert-base-uncased'",
    "password = None; secret = True; token: Optional[str] = None",
    "private_key = '/etc/ssl/private/server.key'",
    "secret: arn:aws:secretsmanager:us-east-1:123456789012:secret:shop",
    "files begin with " + _BEGIN + "RSA PRIVATE KEY" + "-----",
    _BEGIN + "PUBLIC KEY-----\n" + "MIIBIjANBgkqhkiG9w0BAQEF" + "\n" + _END + "PUBLIC KEY-----",
    "pin 13 is ground; the pin code of Mumbai is 400001",
    "docker run -u 1000:1000 image",
    "the key to success is patience, and the secret is practice",
    "monkey: 12345678, keyboard=qwerty123, tokenization: 2.0.1",
    "pi is 3.1415926535897932384 and 0.4111111111111111",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "IMEI 356938035643809, ICCID 8949012345678901234",
    "4111 1111 1111 1112 has a wrong checksum",
]


@pytest.mark.parametrize(("kind", "secret", "sentence"), SECRETS)
def test_a_secret_is_replaced_by_its_kind_and_the_sentence_stays(
    kind: str, secret: str, sentence: str
) -> None:
    redacted = redact(sentence.format(secret))
    assert redacted.text == sentence.format(f"[redacted: {kind}]")
    assert redacted.kinds == (kind,)


@pytest.mark.parametrize("text", PLAIN)
def test_what_only_resembles_a_secret_is_kept(text: str) -> None:
    assert redact(text) == Redacted(text, ())


@pytest.mark.parametrize("name", ["RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY"])
def test_a_private_key_block_is_redacted_whole(name: str) -> None:
    key = f"{_BEGIN}{name}-----\n{_base64_lines(12)}\nabcd==\n{_END}{name}-----"
    assert redact(f"here:\n{key}\nthanks").text == "here:\n[redacted: private key]\nthanks"
    escaped = key.replace("\n", "\\n")
    assert redact(f'{{"key": "{escaped}"}}').text == '{"key": "[redacted: private key]"}'


def test_a_pgp_private_key_is_redacted_with_its_headers() -> None:
    name = "PGP PRIVATE KEY BLOCK-----"
    key = f"{_BEGIN}{name}\nVersion: GnuPG v2\n\n{_base64_lines(6)}\n=aB3d\n{_END}{name}"
    assert redact(key).text == "[redacted: private key]"


def test_a_private_key_that_lost_its_end_or_its_beginning_is_redacted() -> None:
    body = _base64_lines(4)
    cut = redact(f"{_BEGIN}RSA PRIVATE KEY-----\n{body}\nAnd then the paste was cut off.")
    assert cut.text == "[redacted: private key]\nAnd then the paste was cut off."
    headless = redact(f"it was\n{body}\n{_END}RSA PRIVATE KEY-----\nok")
    assert headless.text == "it was\n[redacted: private key]\nok"


def test_two_keys_of_which_the_first_is_cut_leave_the_prose_between_them() -> None:
    begin, end = f"{_BEGIN}EC PRIVATE KEY-----\n", f"\n{_END}EC PRIVATE KEY-----"
    text = f"{begin}{_base64_lines(2)}\nthe other one is:\n{begin}{_base64_lines(2)}{end}"
    mark = "[redacted: private key]"
    assert redact(text).text == f"{mark}\nthe other one is:\n{mark}"


def test_a_token_broken_by_a_line_end_is_redacted_to_its_end() -> None:
    rest = _some(43)
    text = f"{_jwt()}\n{rest}\nis what I got"
    assert redact(text).text == "[redacted: jwt]\nis what I got"


def test_invisible_characters_do_not_hide_a_key() -> None:
    token = "ghp_" + _some(36)
    hidden = "\u200b".join(token[at : at + 5] for at in range(0, len(token), 5))
    assert (
        redact(f"a\u200bb {hidden} c\ufeffd").text == "a\u200bb [redacted: github token] c\ufeffd"
    )


def test_a_family_emoji_before_a_secret_does_not_shift_the_span() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert redact(f"{family} PIN: 4821 {family}").text == f"{family} PIN: [redacted: pin] {family}"


def test_each_kind_is_named_once_in_the_order_met() -> None:
    text = f"{_VISA} and password: hunter2 and {_VISA} and PIN: 1234"
    assert redact(text).kinds == ("card number", "password", "pin")


def test_a_documented_example_key_counts_as_a_key_because_its_shape_is_one() -> None:
    assert redact("AKIA" + "IOSFODNN7EXAMPLE").kinds == ("aws access key",)


_PIECES = st.sampled_from(
    [sentence.format(secret) for _, secret, sentence in SECRETS]
    + [secret for _, secret, _ in SECRETS]
    + PLAIN
    + ["password", " is ", ": ", "=", '"', "'", "\n", "://", "@", "token", "Bearer ", "--", "\\n"]
    + ["[redacted: password]", "[redacted: api key]", "sk-", "eyJ", "4111 ", "\u200b", "密码"]
)


@settings(max_examples=300)
@given(st.lists(_PIECES | st.text(max_size=12), max_size=8).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once.text) == Redacted(once.text, ())
    assert bool(once.kinds) == (once.text != text)


@settings(max_examples=200)
@given(
    before=st.text(alphabet="abc .,\n\u200bé密", max_size=30),
    after=st.text(alphabet="abc .,\n\u200bé密", max_size=30),
)
def test_a_key_is_found_whatever_surrounds_it(before: str, after: str) -> None:
    token = "glpat-" + "aB3" * 7
    text = redact(f"{before} {token} {after}").text
    assert text == f"{before} [redacted: gitlab token] {after}"


@settings(max_examples=200)
@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_one_wrong_digit_is_no_card(number: int) -> None:
    digits = f"4{number:015d}"[:16]
    valid = passes_luhn(digits)
    assert bool(redact(f"n {digits}").kinds) == valid
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert not (valid and redact(f"n {wrong}").kinds)


_HOSTILE = {
    "one letter": "a",
    "digits": "1",
    "spaced digits": "1 ",
    "card prefixes": "4111 ",
    "assignments": "password=",
    "token assignments": "token=1a",
    "sentences": "password is ",
    "sentences cut short": "password for ",
    "open quotes": 'password="',
    "urls": "x://a:",
    "url passwords": "x://a:b@",
    "key starts": "sk-",
    "jwt starts": "eyJaaaaaaaaa.",
    "sendgrid starts": "SG.",
    "block starts": _BEGIN + "RSA PRIVATE KEY-----\n",
    "block ends": _END + "RSA PRIVATE KEY-----\n",
    "base64 lines": "A" * 64 + "\n",
    "headers": "authorization: bearer ",
    "curl": "curl -u a:bcd ",
    "zero width": "a\u200b",
    "growing in lower case": "\u0130",
    "dots": "a.",
}


@pytest.mark.parametrize("unit", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        taken: list[float] = []
        for _ in range(3):  # the best of some: a collection of garbage is not the text's fault
            began = time.thread_time()
            redact(text)
            taken.append(time.thread_time() - began)
        return min(taken)

    # Eight times the text may take eight times as long; quadratic would be 64 times.
    assert seconds(240_000) < 24 * seconds(30_000) + 0.5


def test_a_megabyte_of_prose_is_redacted_within_seconds() -> None:
    prose = "Caroline likes green tea, and her password policy at https://example.com is strict. "
    began = time.thread_time()
    assert redact(prose * 12_000).kinds == ()
    assert time.thread_time() - began < 10


def test_the_report_counts_finds_and_masks_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"id": "1", "text": "hi"}, {"id": "2", "text": "well, my password is hunter2, see"}]
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps({"id": "c", "turns": turns}) + "\n", encoding="utf-8")
    assert report([str(path), "--show", "5"]) == 0
    printed = capsys.readouterr().out
    assert "500.00 per 1,000" in printed
    assert "[password] ...well, my password is *******, see..." in printed
    assert "hunter2" not in printed
