#!/usr/bin/env bash
# Measure triggerctl against the engines' own clients, interleaved in one run. docs/benchmarks.md says what is measured.
#
#   tests/bench/run.sh              everything, some minutes
#   tests/bench/run.sh --quick      small sizes and few rounds, well under a minute
#   tests/bench/run.sh --help       the other flags
#
# It builds the release binary, and starts a private PostgreSQL the way tests/run.sh does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case " $* " in
*' --help '* | *' -h '*) exec python3 tests/bench/bench.py --help ;;
esac
cargo build --locked --quiet --release
# Room for the locks of 10,000 functions and triggers in one transaction, for psql's sake.
export TRIGGERCTL_TEST_POSTGRES_SETTINGS='max_locks_per_transaction=512'
exec tests/run.sh --exec python3 tests/bench/bench.py "$@"
