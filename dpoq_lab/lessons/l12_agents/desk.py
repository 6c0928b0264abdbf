"""Desk: a language of questions, some of which only a tool can answer.

A prompt `ask Dora 4 :` (easy) shows the digit it asks for, `ask Dora ? :` (hard) hides it. A reply answers at
once, `well say 4`, or `well say unsure`, or it calls: `well call Dora`, then the tool writes one word, the
digit of the name called, or `busy`; then `say 5`. Each turn ends with EOS. What the tool writes is an
observation, all else are actions. A right digit earns 1, `unsure` a part of it, and a call has its price.
"""

from dataclasses import dataclass
from functools import cache
from random import Random

from transformers import PreTrainedTokenizerFast

from dpoq_lab.encoding import Response
from dpoq_lab.order_notes.language import word_tokenizer

NAMES = ("Ada", "Ben", "Cleo", "Dora")
DIGITS = tuple(map(str, range(10)))
OPENERS = ("well", "so", "ok")
CALLS, RIGHT_NAME, COPIES, KNOWS, GUESSES = 0.35, 0.85, 0.9, 0.8, 0.6  # the writer's habits
TEMPLATE = (
    "{% for m in messages %}{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %} <|end|>{% endif %} {% endfor %}"
)


@dataclass(frozen=True)
class Rules:
    """What is paid: 1 for a right digit, `unsure` for not guessing, minus `price` for a call; and how often
    the tool says `busy`."""

    busy: float = 0.0
    price: float = 0.3
    unsure: float = 0.35


@dataclass(frozen=True)
class Question:
    """Whose digit is asked for, the digit of each name, and whether the prompt shows it."""

    name: str
    table: dict[str, str]
    easy: bool

    @property
    def prompt(self) -> str:
        """The question as a prompt, with the space before the reply."""
        return f"ask {self.name} {self.digit if self.easy else '?'} : "

    @property
    def digit(self) -> str:
        """The right answer."""
        return self.table[self.name]


@dataclass(frozen=True)
class Episode:
    """A question and its turns: one of the model, or two with the tool's word between them."""

    question: Question
    turns: tuple[str, ...]

    @property
    def called(self) -> bool:
        """Did the model call?"""
        return len(self.turns) > 1

    @property
    def well_formed(self) -> bool:
        """Is it in the language?"""
        last = self.turns[-1].split()
        answer = last if self.called else last[1:]
        opened = self.turns[0].split()[:1]
        says = len(answer) == 2 and answer[0] == "say" and answer[1] in (*DIGITS, "unsure")
        return says and opened[0] in OPENERS

    @property
    def is_right(self) -> bool:
        """Does it end with the digit that was asked for?"""
        return self.well_formed and self.turns[-1].split()[-1] == self.question.digit

    def paid(self, rules: Rules) -> float:
        """What the episode earns; what is not in the language earns nothing, and its call is paid for."""
        unsure = self.well_formed and self.turns[-1].split()[-1] == "unsure"
        return self.is_right + rules.unsure * unsure - rules.price * self.called


def questions(n: int, seed: int, what: str) -> list[Question]:
    """n questions of one purpose and seed, half of them easy; the digits of the names differ."""
    random, found = Random(f"desk {what} {seed}"), []
    for k in range(n):
        table = dict(zip(NAMES, random.sample(DIGITS, len(NAMES)), strict=True))
        found.append(Question(random.choice(NAMES), table, k % 2 == 0))
    return found


def tool_says(question: Question, name: str, busy: float, random: Random) -> str:
    """The tool's word: the digit of the name called, or `busy`."""
    return "busy" if random.random() < busy else question.table[name]


def asked_of(turn: str) -> str | None:
    """The name that a first turn calls for; None if it is no call."""
    words = turn.split()
    is_call = len(words) == 3 and words[0] in OPENERS and words[1] == "call" and words[2] in NAMES
    return words[2] if is_call else None


def write(question: Question, busy: float, random: Random) -> Episode:
    """An episode of the writer whom the base model imitates."""
    opener = random.choice(OPENERS)
    if random.random() >= CALLS:
        return Episode(question, (f"{opener} say {_own_answer(question, random)}",))
    others = [name for name in NAMES if name != question.name]
    name = question.name if random.random() < RIGHT_NAME else random.choice(others)
    word = tool_says(question, name, busy, random)
    if word == "busy":
        answer = _own_answer(question, random)
    else:
        answer = word if random.random() < COPIES else _another(word, random)
    return Episode(question, (f"{opener} call {name}", word, f"say {answer}"))


def _own_answer(question: Question, random: Random) -> str:
    """What the writer says without the tool."""
    if question.easy:
        return question.digit if random.random() < KNOWS else _another(question.digit, random)
    return random.choice(DIGITS) if random.random() < GUESSES else "unsure"


def _another(digit: str, random: Random) -> str:
    return random.choice([other for other in DIGITS if other != digit])


@cache
def desk_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the desk; its chat template ends each turn of the assistant with EOS."""
    words = ["ask", "?", ":", "say", "call", "unsure", "busy", *NAMES, *DIGITS, *OPENERS]
    tokenizer = word_tokenizer(words)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def as_response(episode: Episode, masked: bool = True) -> Response:
    """An episode as tokens: the tool's word is no action, unless it is not `masked`."""
    tokenizer = desk_tokenizer()
    ids, offsets, actions, text = [], [], [], ""
    for k, turn in enumerate(episode.turns):
        by_model = k != 1
        for word in [*turn.split(), *[tokenizer.eos_token] * by_model]:
            ids.append(tokenizer.convert_tokens_to_ids(word))
            offsets.append((len(text), len(text) + len(word)))
            actions.append(by_model or not masked)
            text += f"{word} "
    prompt = tokenizer(episode.question.prompt).input_ids
    return Response(prompt, ids, offsets, text, actions=actions, eos_id=tokenizer.eos_token_id)


def as_messages(episode: Episode) -> list[dict[str, str]]:
    """The turns as a preference file writes them: roles assistant and tool."""
    return [
        {"role": "tool" if k == 1 else "assistant", "content": turn} for k, turn in enumerate(episode.turns)
    ]
