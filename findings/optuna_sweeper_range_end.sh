#!/usr/bin/env bash
# hydra-optuna-sweeper 1.4.0rc3 (hydra-core 1.4.0rc3, optuna 5.0.0): the end of range(…) is not searched, and
# tag(log, range(…)) is searched evenly. In 1.2.0 (optuna 2.10.1) the end was searched.
#
# Guess: a search space keeps its meaning over a minor release, and `tag(log, …)`, which makes interval(…)
# logarithmic, does so for range(…), or is refused.
# Seen otherwise: with 1.4 `range(1, 4)` is {1, 2, 3}; 1.2 searched 4 as well. The tag is dropped without a word.
# For users: a command line from before 1.4 silently never tries its largest value. Where the end matters, write
# choice(…), interval(…) or an end one step further.
#
# Seen:
#   1.4.0rc3: x=range(1,4): lowest 1, highest 3, log False
#   1.4.0rc3: x=range(1,1000): lowest 1, highest 999, log False
#   1.4.0rc3: x=tag(log,range(1,1000)): lowest 1, highest 999, log False
#   1.4.0rc3: x=tag(log,interval(1,1000)): lowest 1.0, highest 1000.0, log True
#   1.2.0: x=range(1,4): lowest 1, highest 4, log False
#   1.2.0: x=range(1,1000): lowest 1, highest 1000, log False
#   tried in 40 trials of x=range(1,5), the larger the better: 1 2 3 4
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/space.py" <<'PYTHON'
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.hydra_optuna_sweeper import _impl
from importlib.metadata import version

make = _impl.create_optuna_distribution_from_override
parser = OverridesParser.create()


def space(text):
    distribution = make(parser.parse_override(f"x={text}"))
    found = distribution.low, distribution.high, bool(getattr(distribution, "log", False))
    print(f"{version('hydra-optuna-sweeper')}: x={text}: lowest {found[0]}, highest {found[1]}, log {found[2]}")
    return found


new = version("hydra-optuna-sweeper").startswith("1.4")
assert space("range(1,4)")[:2] == ((1, 3) if new else (1, 4))
assert space("range(1,1000)")[1] == (999 if new else 1000)
if new:
    assert space("tag(log,range(1,1000))") == (1, 999, False)
    assert space("tag(log,interval(1,1000))") == (1, 1000, True)
PYTHON

python -m venv "$folder/new" && python -m venv "$folder/old"
"$folder/new/bin/pip" install -q --disable-pip-version-check hydra-core==1.4.0rc3 hydra-optuna-sweeper==1.4.0rc3 omegaconf==2.4.1rc1 optuna==5.0.0
"$folder/old/bin/pip" install -q --disable-pip-version-check hydra-core==1.3.2 hydra-optuna-sweeper==1.2.0 optuna==2.10.1 sqlalchemy==1.4.54 numpy==1.26.4
"$folder/new/bin/python" "$folder/space.py"
"$folder/old/bin/python" "$folder/space.py"

# the same in a real search: 40 trials of a space of four numbers
cat > "$folder/app.py" <<'PYTHON'
import hydra


@hydra.main(config_path=None, version_base=None)
def main(cfg):
    with open("../tried.txt", "a") as stream:
        stream.write(f"{cfg.x}\n")
    return -cfg.x


main()
PYTHON
cd "$folder"
"$folder/new/bin/python" app.py -m hydra/sweeper=optuna hydra.sweeper.direction=minimize hydra.sweeper.n_trials=40 \
    hydra.sweep.dir="$folder/sweep" hydra.sweep.subdir=. hydra.job.chdir=true "+x=range(1,5)" > log.txt 2>&1
echo "tried in 40 trials of x=range(1,5), the larger the better: $(sort -u "$folder/tried.txt" | tr '\n' ' ')"
test "$(sort -u "$folder/tried.txt" | tr '\n' ' ')" = "1 2 3 4 "
