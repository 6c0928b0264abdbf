"""Order notes: a small readable language in which the reward of every token is known.

A prompt states six facts in shuffled order; a reply must restate them. The reward of a word is +1 for
a right fact at its first mention, -1 for a wrong fact or a rude word, else 0, so the best reply earns 6.
A slip is plausible, mostly the next value of the same list (Tuesday for Monday): a random wrong value
would be rare under every writer, and surprisal alone would find it.
"""

from dataclasses import dataclass
from random import Random

from transformers import PreTrainedTokenizerFast

from dpoq_lab.preferences import Pair, Span

FACTS = {
    "who": "Anna Boris Carla David Elena Felix Grace Hugo Irene Jonas".split(),
    "colour": "red blue green black white grey brown pink".split(),
    "item": "lamp chair desk shelf clock mirror carpet basket kettle vase".split(),
    "price": "10 15 20 25 30 35 40 45 50 60".split(),
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "city": "Athens Berlin Cairo Dublin Lisbon London Madrid Oslo Paris Rome Vienna Warsaw".split(),
}
GREETINGS = ("hello ,", "dear team ,", "good morning ,", "hi there ,")
ORDERS = ("wants", "needs", "orders", "requests", "buys")
ADJECTIVES = ("nice", "small", "large", "new", "simple", "sturdy")
SENTENCES = {
    "price": ("the price is {} euros .", "it costs {} euros .", "we agreed on {} euros ."),
    "day": ("please deliver on {} .", "it ships on {} .", "delivery is {} ."),
    "city": ("the parcel goes to {} .", "send everything to {} .", "the address is in {} ."),
}
FILLERS = (
    "thank you for your patience .",
    "as always we are glad to help .",
    "we hope that you are well .",
    "this order matters a lot to us .",
)
RUDE = ("fools", "idiots", "morons", "clowns")
INSULTS = ("do hurry you {} .", "only {} would be late .")
CLOSERS = ("kind regards", "best wishes", "many thanks", "see you soon")
# The larger language of the `gpu` preset: six facts more, a sentence for each.
MORE_FACTS = {
    "courier": "Swift Comet Falcon Heron Lynx Osprey Puma Raven Stork Tiger".split(),
    "payment": "card cash cheque invoice transfer voucher".split(),
    "wrapping": "paper cotton velvet linen foil straw silk".split(),
    "month": "January February March April June July August September October November".split(),
    "floor": "ground first second third fourth fifth sixth seventh".split(),
    "material": "oak pine steel glass copper marble bamboo walnut".split(),
}
MORE_SENTENCES = {
    "courier": ("{} will carry it .", "the courier is {} .", "we send it with {} ."),
    "payment": ("you pay by {} .", "payment is by {} .", "we expect {} ."),
    "wrapping": ("it comes wrapped in {} .", "the wrapping is {} .", "we pack it in {} ."),
    "month": ("this is for {} .", "the month is {} .", "we plan it for {} ."),
    "floor": ("bring it to the {} floor .", "they live on the {} floor .", "it goes up to the {} floor ."),
    "material": ("it is made of {} .", "the material is {} .", "they chose {} ."),
}
LARGE_FACTS, LARGE_SENTENCES = FACTS | MORE_FACTS, SENTENCES | MORE_SENTENCES
NEXT = 0.85  # how often a slip is the next value
VALUE_OF = {word: fact for fact, words in LARGE_FACTS.items() for word in words}


@dataclass(frozen=True)
class Writer:
    """How carefully a writer works: probabilities a fact, a clause, or a reply."""

    slip: float  # a fact is wrong
    drop: float = 0.0  # a price, day or city sentence is left out
    filler: float = 0.0  # a filler sentence follows, again and again with the same probability
    rude: float = 0.0  # an insult


SLOPPY = Writer(slip=0.35, drop=0.10, filler=0.40, rude=0.15)
CAREFUL = Writer(slip=0.15, drop=0.02, filler=0.15, rude=0.02)
CARELESS = Writer(slip=0.50, drop=0.05, filler=0.25, rude=0.08)
Order = dict[str, str]  # fact -> its true value
Facts = dict[str, list[str]]  # fact -> its possible values


def random_order(random: Random, facts: Facts = FACTS) -> Order:
    """One value for each fact."""
    return {fact: random.choice(words) for fact, words in facts.items()}


def prompt_of(order: Order, random: Random) -> str:
    """The facts in shuffled order, as the start state s_0."""
    facts = list(order.items())
    random.shuffle(facts)
    return " ; ".join(f"{fact} : {value}" for fact, value in facts) + " ; note :\n"


def following(value: str) -> str:
    """The next value of the same list, after the last the first: the likeliest slip."""
    words = LARGE_FACTS[VALUE_OF[value]]
    return words[(words.index(value) + 1) % len(words)]


def slipped(value: str, random: Random) -> str:
    """A plausible wrong value: 85% the next one of its list, 15% any other."""
    if random.random() < NEXT:
        return following(value)
    return random.choice([word for word in LARGE_FACTS[VALUE_OF[value]] if word != value])


def write(order: Order, writer: Writer, random: Random, slips: set[str] | None = None) -> str:
    """A reply to `order`; `slips` names the facts to get wrong, else each is with `writer.slip`."""
    if slips is None:
        slips = {fact for fact in order if random.random() < writer.slip}
    told = {fact: slipped(value, random) if fact in slips else value for fact, value in order.items()}
    adjective = f"{random.choice(ADJECTIVES)} " if random.random() < 0.5 else ""
    parts = [f"{told['who']} {random.choice(ORDERS)} a {adjective}{told['colour']} {told['item']} ."]
    stated = [fact for fact in LARGE_SENTENCES if fact in order]
    clauses = [fact for fact in stated if fact in slips or random.random() >= writer.drop]
    random.shuffle(clauses)
    parts += [random.choice(LARGE_SENTENCES[fact]).format(told[fact]) for fact in clauses]
    while random.random() < writer.filler:
        parts.append(random.choice(FILLERS))
    if random.random() < writer.rude:
        parts.append(random.choice(INSULTS).format(random.choice(RUDE)))
    return " ".join([random.choice(GREETINGS), *parts, random.choice(CLOSERS)])


def order_of(prompt: str) -> Order:
    """The facts that a prompt states. Raises ValueError if one of the six is missing."""
    stated = [part.split(" : ") for part in prompt.strip().split(" ; ")]
    order = {part[0]: part[1] for part in stated if len(part) == 2 and part[0] in LARGE_FACTS}
    if missing := [fact for fact in FACTS if fact not in order]:
        raise ValueError(f"the prompt states no {', '.join(missing)}")
    return order


def token_rewards_of(prompt: str, reply: str) -> list[int]:
    """The true reward of each word of any reply, split at white space; an unstated fact is wrong."""
    order, named, rewards = order_of(prompt), set(), []
    for word in reply.split():
        fact = VALUE_OF.get(word)
        if fact is None:
            rewards.append(-1 if word in RUDE else 0)
        elif word != order.get(fact):
            rewards.append(-1)
        else:
            rewards.append(0 if fact in named else 1)
            named.add(fact)
    return rewards


def true_score(prompt: str, reply: str) -> int:
    """The true return R of a reply: the sum of its token rewards, at most 6."""
    return sum(token_rewards_of(prompt, reply))


def flaws_of(prompt: str, reply: str) -> tuple[Span, ...]:
    """The character spans [start, end) of the words whose true reward is negative."""
    spans, at = [], 0
    for word, reward in zip(reply.split(), token_rewards_of(prompt, reply), strict=True):
        start = reply.index(word, at)
        at = start + len(word)
        if reward < 0:
            spans.append((start, at))
    return tuple(spans)


def order_pair(prompt: str, chosen: str, rejected: str) -> Pair:
    """A preference pair with the flaws of both replies marked."""
    return Pair(prompt, chosen, rejected, flaws_of(prompt, chosen), flaws_of(prompt, rejected))


def order_pairs(
    n: int, seed: int, chosen: Writer = CAREFUL, rejected: Writer = CARELESS, facts: Facts = FACTS
) -> list[Pair]:
    """n pairs of independent replies by two writers; identical replies are drawn again."""
    random, pairs = Random(f"pairs {seed}"), []
    while len(pairs) < n:
        order = random_order(random, facts)
        both = [write(order, writer, random) for writer in (chosen, rejected)]
        if both[0] != both[1]:
            pairs.append(order_pair(prompt_of(order, random), *both))
    return pairs


def stitching_pairs(n: int, seed: int, slips: int, facts: Facts = FACTS) -> list[Pair]:
    """n pairs of a right reply and one with exactly `slips` wrong facts; nothing else is wrong in either."""
    random, clean, pairs = Random(f"stitching {slips} {seed}"), Writer(slip=0.0, filler=0.15), []
    for _ in range(n):
        order = random_order(random, facts)
        wrong = set(random.sample(list(facts), slips))
        both = [write(order, clean, random, facts) for facts in (set(), wrong)]
        pairs.append(order_pair(prompt_of(order, random), *both))
    return pairs


def notes(n: int, seed: int, writer: Writer = SLOPPY, facts: Facts = FACTS) -> list[tuple[str, str]]:
    """n prompts with one reply each: what a base model reads."""
    random = Random(f"notes {seed}")
    orders = [random_order(random, facts) for _ in range(n)]
    return [(prompt_of(order, random), write(order, writer, random)) for order in orders]


def to_read(written: list[tuple[str, str]]) -> list[Pair]:
    """Prompts with one reply each as pairs for SFT, which never reads the second reply."""
    return [Pair(prompt, reply, f"{reply} .") for prompt, reply in written]


def held_out_seed(seed: int) -> int:
    """The seed of the held-out pairs of a training seed."""
    return seed + 1_000_000


def vocabulary(facts: Facts = FACTS) -> list[str]:
    """Every word of the language with these facts, in a fixed order."""
    sentences = [sentence for fact in facts for sentence in LARGE_SENTENCES.get(fact, ())]
    phrases = [*GREETINGS, *FILLERS, *INSULTS, *CLOSERS, *sentences]
    values = sum(facts.values(), [])
    words = [*facts, ";", ":", "note", "a", ".", *ORDERS, *ADJECTIVES, *RUDE, *values]
    return list(
        dict.fromkeys(words + [word for phrase in phrases for word in phrase.split() if word != "{}"])
    )


def order_tokenizer(facts: Facts = FACTS) -> PreTrainedTokenizerFast:
    """The tokenizer of the language."""
    return word_tokenizer(vocabulary(facts))


def word_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """A word is a token; words that are not among `words` are `<|unknown|>`."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    specials = ["<|end|>", "<|pad|>", "<|unknown|>"]
    ids = {word: i for i, word in enumerate(specials + words)}
    backend = Tokenizer(models.WordLevel(ids, unk_token="<|unknown|>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|end|>", pad_token="<|pad|>", unk_token="<|unknown|>"
    )
