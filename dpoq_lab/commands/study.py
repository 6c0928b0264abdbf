"""The studies that `dpoq-lab study NAME` runs: what each lesson quotes, by name."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpoq_lab.lessons.study import Study

STUDIES = {  # name -> the module under `lessons` that holds it
    "solver-speed": "l01_token_mdp.speed_study",
    "writing": "l05_train_dpo.writing_study",
    "credit": "l06_token_rewards.credit_study",
    "advantage": "l06_token_rewards.advantage_study",
    "sweep": "l06_token_rewards.sweep_study",
    "search": "l07_search.study",
    "beam-speed": "l07_search.speed_study",
    "reference": "l08_reference_policy.study",
    "displacement": "l08_reference_policy.displacement",
    "diagnosis": "l08_reference_policy.diagnosis",
    "cpl": "l08_reference_policy.cpl",
    "proxy": "l09_proxy_tuning.study",
    "next-word": "l09_proxy_tuning.next_word",
    "reasoning": "l10_reasoning.study",
    "dialogue": "l11_multi_turn.study",
    "dialogue-pairs": "l11_multi_turn.more_pairs",
    "agents": "l12_agents.study",
    "systems": "l13_multi_model.study",
    "freezing": "l13_multi_model.freezing_study",
    "causes": "l14_your_own_model.study",
    "bench": "bench.study",
}


def find_study(name: str) -> "Study":
    """The study of that name; only its own lesson is loaded. Raises KeyError for another name."""
    return import_module(f"dpoq_lab.lessons.{STUDIES[name]}").STUDY
