"""What trainings are called on the screen and in the report; files and events keep their own names."""

from __future__ import annotations

_TITLES = {"all_in_one": "plain network", "all_in_one_network": "one network for all"}
_SINGLE = "single_task."
_NUMBERED = {
    "network": "network {}",
    "probe": "new heads on the features of network {}",
    "as_before": "network {} of the earlier run",
}


def title_of(training: str) -> str:
    """The title of a training whose name in files and events is given; of another text the text.

    Example:
        >>> title_of("all_in_one"), title_of("single_task.click"), title_of("network_1")
        ('plain network', 'single-task model of click', 'network 1')
    """
    if training.startswith(_SINGLE):
        return f"single-task model of {training.removeprefix(_SINGLE)}"
    kind, _, number = training.rpartition("_")
    if kind in _NUMBERED and number.isdigit():
        return _NUMBERED[kind].format(number)
    return _TITLES.get(training, training)
