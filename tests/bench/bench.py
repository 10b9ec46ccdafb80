"""What tests/bench/run.sh measures: triggerctl and an engine's own client in turns, on the same work.

Only the standard library. The server comes from the environment (see tests/run.sh): TRIGGERCTL_TEST_POSTGRES, the URL of
a superuser's maintenance database; TRIGGERCTL_TEST_POSTGRES_BIN, the folder of the real psql; and
TRIGGERCTL_TEST_POSTGRES_LOG, the server's log, from which it learns the queries that a plan makes; TRIGGERCTL_TEST_MYSQL and
TRIGGERCTL_TEST_MYSQL_9, which are left out where they are not set.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TRIGGERS_PER_TABLE = 10
# triggerctl sets this for its reads of the catalog; psql would take longer without.
UNCOMPILED = "SET jit = off;"


# --- running and measuring --------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Sample:
    """One run of one process."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of the client alone


def run(command, folder, ok=(0,)):
    """Run a command to its end; its output goes to a file, as with a user's redirection."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ok:
            output.seek(0)
            text = output.read().decode(errors="replace")
            sys.exit(f"{' '.join(map(str, command))}\nexited with {process.returncode}:\n{text[-3000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime)


def peak_of(command, folder):
    """The peak of a command's memory in KiB; by GNU time, since the kernel counts a child's memory from its fork on, and
    time is smaller than Python."""
    with tempfile.NamedTemporaryFile("r") as file:
        run([shutil.which("time"), "-f", "%M", "-o", file.name, *command], folder)
        return int(file.read().split()[-1])


def text_of(command, folder):
    """What a command prints, when it succeeds."""
    result = subprocess.run([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nexited with {result.returncode}:\n{result.stderr.decode()[-3000:]}")
    return result.stdout.decode()


@dataclasses.dataclass
class Contestant:
    """One of those that do the same work: what is run, and what is made ready before it, unmeasured."""

    name: str
    command: list
    prepare: object = lambda: None
    tidy: object = lambda: None


def compete(rounds, folder, contestants):
    """Run each in turn, the order reversed from round to round so that none is always first."""
    samples = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        for contestant in contestants if number % 2 == 0 else reversed(contestants):
            contestant.prepare()
            samples[contestant.name].append(run(contestant.command, folder))
            contestant.tidy()
    return samples


class Table:
    """The results as Markdown, printed row by row as they come."""

    def head(self):
        """The first two lines."""
        self.print("| what | who | median | min | max | client's CPU | ours to theirs |")
        self.print("|---|---|--:|--:|--:|--:|--:|")

    @staticmethod
    def print(line):
        """At once, since what comes next may take long."""
        print(line, flush=True)

    def add(self, what, samples):
        """One line for each contestant; the first one is ours, and each ratio is that of our median to theirs."""
        ours = None
        for name, runs in samples.items():
            walls = [sample.wall for sample in runs]
            median = statistics.median(walls)
            ratio = "" if ours is None else f"{ours / median:.2f}"
            ours = median if ours is None else ours
            cpu = statistics.median(sample.cpu for sample in runs)
            times = " | ".join(duration(seconds) for seconds in (median, min(walls), max(walls), cpu))
            self.print(f"| {what} | {name} | {times} | {ratio} |")
            what = ""


def duration(seconds):
    """Milliseconds below a second, with three digits that mean something."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


# --- the work ---------------------------------------------------------------------------------------------------------


def tables(count):
    """CREATE TABLE for the tables of `count` triggers, and for the one that they all write to."""
    statements = ["CREATE TABLE log (what text, n integer);"]
    for number in range(max(1, count // TRIGGERS_PER_TABLE)):
        statements.append(f"CREATE TABLE t{number:04} (id integer PRIMARY KEY, a integer, b text, c text);")
    return "\n".join(statements) + "\n"


def spec(count, conditions=lambda number: number % 3 == 1):
    """A spec of `count` triggers: inserts, updates of a column, and deletes; each body is another, and so is the condition of
    those that have one."""
    parts = ["version = 1\n"]
    for number in range(count):
        table = f"t{number // TRIGGERS_PER_TABLE:04}"
        row = "OLD" if number % 3 == 2 else "NEW"
        lines = [
            "[[trigger]]",
            f'name = "{table}_tr{number % TRIGGERS_PER_TABLE}"',
            f'table = "{table}"',
            'timing = "after"',
            f'events = ["{("insert", "update", "delete")[number % 3]}"]',
        ]
        if number % 3 == 1:
            lines.append('update_of = ["a"]')
        if conditions(number):
            lines.append(f'when = "{row}.a > {number}"')
        lines.append(f"body = \"INSERT INTO log (what, n) VALUES ('trigger {number}', {row}.a);\"")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def tests(count):
    """Tests of ten triggers: four of them are fired by an INSERT."""
    parts = []
    for number in range(count):
        lines = [
            "[[test]]",
            f'name = "row {number}"',
            f"when = \"INSERT INTO t0000 (id, a, b) VALUES ({number}, {number}, 'x');\"",
            f'expect = {{ query = "SELECT count(*) FROM log WHERE n = {number}", rows = [[4]] }}',
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n" + "\n".join(parts)


@dataclasses.dataclass
class Work:
    """What is to be done: how it is called in the results, a spec, and the tables that it is for."""

    name: str
    spec: str
    tables: str
    of_kinds: bool = False  # It asks the database for columns: its DDL comes out of a plan.

    @classmethod
    def of(cls, count):
        """So many triggers that are written out."""
        return cls(f"{count:,}", spec(count), tables(count))

    @classmethod
    def of_one_kind_on(cls, count):
        """One kind on so many tables of MariaDB or MySQL, a trigger each."""
        made = [
            f"CREATE TABLE k{number:04} (id integer PRIMARY KEY, a integer, b varchar(40), c varchar(40), updated_at timestamp NULL);"
            for number in range(count)
        ]
        uses = 'version = 1\n[[trigger]]\nuse = "updated_at"\ntables = ["k*"]\n'
        return cls(f"one kind on {count:,} tables", uses, "\n".join(made) + "\n", of_kinds=True)

    @classmethod
    def of_kinds_on(cls, count, dialect):
        """Two kinds on so many tables: on SQLite these are four triggers each."""
        types = {"sqlite": ("text", "text"), "postgres": ("jsonb", "timestamptz")}[dialect]
        made = ["CREATE TABLE log (table_schema text, table_name text, operation text, row_key {0}, old_row {0}, new_row {0}, actor text, changed_at {1});"]
        for number in range(count):
            made.append(f"CREATE TABLE k{number:04} (id integer PRIMARY KEY, a integer, b text, c text, updated_at {types[1]});")
        uses = 'version = 1\n[[trigger]]\nuse = "audit"\ntables = ["k*"]\nwith = { target = "log" }\n\n[[trigger]]\nuse = "updated_at"\ntables = ["k*"]\n'
        return cls(f"two kinds on {count:,} tables", uses, "\n".join(made).format(*types) + "\n", of_kinds=True)


class Bench:
    """The binary, the clients, the server, and a folder for everything that is made."""

    def __init__(self, arguments, folder):
        self.rounds = arguments.rounds
        self.sizes = arguments.sizes
        self.folder = folder
        self.binary = arguments.binary.resolve()
        try:
            self.psql = pathlib.Path(os.environ["TRIGGERCTL_TEST_POSTGRES_BIN"]) / "psql"
            self.server = os.environ["TRIGGERCTL_TEST_POSTGRES"]
            self.log = pathlib.Path(os.environ["TRIGGERCTL_TEST_POSTGRES_LOG"])
        except KeyError as missing:
            sys.exit(f"{missing} is not set: start this by tests/bench/run.sh, with a server of its own")
        self.sqlite3 = shutil.which("sqlite3")
        self.table = Table()

    def url(self, database):
        parts = urllib.parse.urlsplit(self.server)
        return urllib.parse.urlunsplit(parts._replace(path=f"/{database}"))

    def sql(self, database, *statements):
        commands = [word for statement in statements for word in ("-c", statement)]
        return text_of([self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url(database), *commands], self.folder)

    def recreate(self, database, template="template0"):
        self.drop(database)
        strategy = " STRATEGY file_copy" if self.version >= 15 else ""
        self.sql("postgres", f"CREATE DATABASE {database} TEMPLATE {template}{strategy}")

    def drop(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database}")

    @property
    def version(self):
        return int(self.sql("postgres", "SHOW server_version_num")) // 10000

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    # Start, and the example that README.md begins with.

    def start(self):
        help_of = [
            Contestant("triggerctl --help", [self.binary, "--help"]),
            Contestant("psql --version", [self.psql, "--version"]),
        ]
        self.table.add("start", compete(self.rounds * 5, self.folder, help_of))

    def example(self):
        folder = self.folder / "example"
        (folder / "fixtures").mkdir(parents=True)
        for name in ("triggers.example.toml", "fixtures/example.sql"):
            shutil.copy(REPOSITORY / name, folder / name)
        plan = [self.binary, "-c", "triggers.example.toml", "plan"]
        select = [self.sqlite3, "example.db", "SELECT * FROM sqlite_schema"]
        self.table.add("plan of the example, no file yet", compete(self.rounds * 5, folder, [Contestant("triggerctl plan", plan)]))
        run([self.binary, "-c", "triggers.example.toml", "apply", "--yes"], folder)
        contestants = [Contestant("triggerctl plan", plan), Contestant("sqlite3, reading the schema", select)]
        self.table.add("plan of the example, nothing to do", compete(self.rounds * 5, folder, contestants))

    # A thousand tests of ten triggers: nobody else runs them, so there is nothing beside.

    def tests(self):
        count = 1000
        config = self.write("tested.toml", spec(10) + tests(count))
        script = self.write("tested.sql", tables(10))
        options = ["--schema-file", script, "--quiet"]
        database = "bench_tests"
        self.recreate(database)
        run([self.psql, "-X", "-q", "-d", self.url(database), "-f", script], self.folder)
        test = [self.binary, "-c", config, "test"]
        for what, command in (
            ("SQLite", [*test, "-u", "sqlite::memory:", *options]),
            ("PostgreSQL, in a transaction", [*test, "-u", self.url(database), "--quiet"]),
            ("PostgreSQL, in scratch databases", [*test, "-u", self.url(database), *options]),
        ):
            if f"All {count} tests passed" not in text_of(command, self.folder):
                sys.exit(f"not all tests passed: {command}")
            contestants = [Contestant("triggerctl test", command)]
            self.table.add(f"{count:,} tests, {what}", compete(self.rounds, self.folder, contestants))
        self.drop(database)

    # Many triggers: apply from nothing, then a plan with nothing to do.

    def ddl_of(self, work, config, dialect, url):
        """The DDL of a piece of work, as one text."""
        if not work.of_kinds:
            return text_of([self.binary, "-c", config, "render", "--dialect", dialect], self.folder)
        plan = json.loads(text_of([self.binary, "-c", config, "-u", url, "plan", "--format", "json"], self.folder))
        return "".join(f"{sql};\n" for change in plan["changes"] for sql in change["statements"])

    def sqlite(self, work):
        empty = self.folder / "empty.db"
        ours = self.folder / "ours.db"
        theirs = self.folder / "theirs.db"
        config = self.write("triggers.toml", work.spec)
        empty.unlink(missing_ok=True)
        text_of([self.sqlite3, empty, f".read {self.write('tables.sql', work.tables)}"], self.folder)
        render = self.ddl_of(work, config, "sqlite", f"sqlite:{empty}")
        script = self.write("ddl.sql", f"BEGIN;\n{render}\nCOMMIT;\n")

        def fresh(database):
            def prepare():
                for leftover in (database, database.with_name(database.name + "-journal")):
                    leftover.unlink(missing_ok=True)
                shutil.copy(empty, database)

            return prepare

        apply = [self.binary, "-c", config, "-u", f"sqlite:{ours}", "apply", "--yes"]
        contestants = [
            Contestant("triggerctl apply", apply, fresh(ours)),
            Contestant("sqlite3, the same DDL", [self.sqlite3, "-bail", theirs, f".read {script}"], fresh(theirs)),
        ]
        self.table.add(f"apply {work.name}, SQLite", compete(self.rounds, self.folder, contestants))
        self.same(
            text_of([self.sqlite3, database, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"], self.folder)
            for database in (ours, theirs)
        )

        plan = [self.binary, "-c", config, "-u", f"sqlite:{ours}", "plan"]
        self.must_be_empty(plan)
        contestants = [
            Contestant("triggerctl plan", plan),
            Contestant("sqlite3, reading the schema", [self.sqlite3, ours, "SELECT * FROM sqlite_schema"]),
        ]
        self.table.add(f"plan, nothing to do, {work.name}, SQLite", compete(self.rounds, self.folder, contestants))

    def postgres(self, work):
        config = self.write("triggers.toml", work.spec)
        self.recreate("bench_empty")
        text_of(
            [self.psql, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", self.write("tables.sql", work.tables), self.url("bench_empty")],
            self.folder,
        )
        self.sql("bench_empty", "VACUUM ANALYZE")
        script = self.write("ddl.sql", self.ddl_of(work, config, "postgres", self.url("bench_empty")))

        def fresh(database):
            def prepare():
                self.recreate(database, "bench_empty")
                self.sql(database, "CHECKPOINT")

            return prepare

        apply = [self.binary, "-c", config, "-u", self.url("bench_ours"), "apply", "--yes"]
        batch = [self.psql, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", script, self.url("bench_theirs")]
        contestants = [
            Contestant("triggerctl apply", apply, fresh("bench_ours")),
            Contestant("psql -1 -f, the same DDL", batch, fresh("bench_theirs")),
        ]
        self.table.add(f"apply {work.name}, PostgreSQL", compete(self.rounds, self.folder, contestants))
        count_them = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        self.same(self.sql(database, count_them) for database in ("bench_ours", "bench_theirs"))

        self.sql("bench_ours", "VACUUM ANALYZE")
        plan = [self.binary, "-c", config, "-u", self.url("bench_ours"), "plan"]
        self.must_be_empty(plan)
        queries = self.queries_of(plan, "bench_ours")
        catalog = max(queries, key=lambda query: query.count("pg_trigger"))
        read = [self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url("bench_ours"), "-f"]
        contestants = [
            Contestant("triggerctl plan", plan),
            Contestant("psql, every query of the plan", [*read, self.write("queries.sql", "\n".join([UNCOMPILED, *queries]))]),
            Contestant("psql, its catalog query alone", [*read, self.write("catalog.sql", f"{UNCOMPILED}\n{catalog}")]),
        ]
        self.table.add(f"plan, nothing to do, {work.name}, PostgreSQL", compete(self.rounds, self.folder, contestants))
        for database in ("bench_ours", "bench_theirs", "bench_empty"):
            self.drop(database)

    def imported(self, count):
        """What triggerctl never saw before: importing it, and the first plan of what was imported. Half of the triggers have
        a WHEN, which the server must print, and compare with what the spec says."""
        config = self.write("triggers.toml", spec(count, conditions=lambda number: number % 2 == 0))
        self.recreate("bench_import")
        script = text_of([self.binary, "-c", config, "render", "--dialect", "postgres"], self.folder)
        files = [word for path in (self.write("tables.sql", tables(count)), self.write("ddl.sql", script)) for word in ("-f", path)]
        url = self.url("bench_import")
        text_of([self.psql, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", *files, url], self.folder)
        self.sql("bench_import", "VACUUM ANALYZE")
        target = self.folder / "imported.toml"
        command = [self.binary, "-u", url, "import", "-o", target]
        target.unlink(missing_ok=True)
        run(command, self.folder)
        plan = [self.binary, "-c", target, "-u", url, "plan"]
        # That of the plan: an import asks the catalog for names alone.
        queries = self.queries_of(plan, "bench_import")
        catalog = max(queries, key=lambda query: query.count("pg_trigger"))
        read = [self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url, "-f", self.write("catalog.sql", f"{UNCOMPILED}\n{catalog}")]
        contestants = [Contestant("triggerctl import", command, lambda: target.unlink(missing_ok=True)), Contestant("psql, its catalog query alone", read)]
        self.table.add(f"import {count:,} with {count // 2:,} conditions, PostgreSQL", compete(self.rounds, self.folder, contestants))
        self.must_be_empty(plan)
        contestants = [Contestant("triggerctl plan", plan), Contestant("psql, its catalog query alone", read)]
        self.table.add(f"first plan of {count:,} with {count // 2:,} conditions, PostgreSQL", compete(self.rounds, self.folder, contestants))
        self.drop("bench_import")

    def mysql(self, work, name, server):
        """The same on MariaDB or MySQL, at a URL that tests/run.sh gives; the client is `mariadb`, for both."""
        config = self.write("triggers.toml", work.spec)
        socket = urllib.parse.parse_qs(urllib.parse.urlsplit(server).query)["socket"][0]
        client = [shutil.which("mariadb"), "--no-defaults", "--user=root", f"--socket={socket}", "--default-character-set=utf8mb4"]

        def url(database):
            return urllib.parse.urlunsplit(urllib.parse.urlsplit(server)._replace(path=f"/{database}"))

        def source(path):
            return ["-e", f"source {path}"]

        def fresh(database):
            def prepare():
                sql = f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}; USE {database};"
                text_of([*client, *source(self.write("fresh.sql", sql + "\n" + work.tables))], self.folder)

            return prepare

        fresh("bench_theirs")()
        plan = [self.binary, "-c", config, "-u", url("bench_theirs"), "plan", "--format", "json"]
        statements = [sql for change in json.loads(text_of(plan, self.folder))["changes"] for sql in change["statements"]]
        script = self.write("ddl.sql", "DELIMITER //\n" + "".join(f"{sql}//\n" for sql in statements))

        apply = [self.binary, "-c", config, "-u", url("bench_ours"), "apply", "--yes"]
        contestants = [
            Contestant("triggerctl apply", apply, fresh("bench_ours")),
            Contestant("mariadb, the same DDL", [*client, "bench_theirs", *source(script)], fresh("bench_theirs")),
        ]
        self.table.add(f"apply {work.name}, {name}", compete(self.rounds, self.folder, contestants))
        list_them = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{}' ORDER BY 1"
        names = [text_of([*client, "-N", "-B", "-e", list_them.format(name)], self.folder) for name in ("bench_ours", "bench_theirs")]
        self.same(names)

        plan = [self.binary, "-c", config, "-u", url("bench_ours"), "plan"]
        self.must_be_empty(plan)
        shows = "".join(f"SHOW CREATE TRIGGER `{name}`;\n" for name in names[0].split())
        read = self.write("read.sql", f"SELECT * FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE();\n{shows}")
        contestants = [
            Contestant("triggerctl plan", plan),
            Contestant("mariadb, reading the list and each trigger", [*client, "bench_ours", *source(read)]),
        ]
        self.table.add(f"plan, nothing to do, {work.name}, {name}", compete(self.rounds, self.folder, contestants))
        text_of([*client, "-e", "DROP DATABASE bench_ours; DROP DATABASE bench_theirs"], self.folder)

    def queries_of(self, command, database):
        """The reading queries that a command makes, as SQL for psql, from the server's log."""
        self.sql("postgres", f"ALTER DATABASE {database} SET log_min_messages = log", f"ALTER DATABASE {database} SET log_statement = 'all'")
        before = self.log.stat().st_size
        run(command, self.folder)
        with self.log.open("rb") as file:
            file.seek(before)
            text = file.read().decode()
        self.sql("postgres", f"ALTER DATABASE {database} RESET ALL")
        # An entry is a line, and its further lines begin with a tab.
        entries = re.findall(r"^[^\t\n].*(?:\n\t.*)*", text, re.MULTILINE)
        queries = []
        for entry, detail in zip(entries, [*entries[1:], ""], strict=True):
            found = re.search(r"LOG:  execute [^:]+: ((?:.|\n)*)", entry)
            if not found or not re.match(r"\s*(?:--.*\s+)*(SELECT|WITH)\b", found[1]):
                continue
            query = found[1].replace("\n\t", "\n")
            values = re.search(r"DETAIL:  parameters: ((?:.|\n)*)", detail)
            numbers = {} if not values else dict(re.findall(r"\$(\d+) = ('(?:[^']|'')*'|NULL)", values[1]))
            queries.append(re.sub(r"\$(\d+)", lambda match, numbers=numbers: numbers[match[1]], query) + "\n;\n")
        if not queries:
            sys.exit(f"the server's log, {self.log}, shows no query of the plan")
        return queries

    def memory(self):
        """Memory a trigger: the peak of apply, plan, import and the first plan, over that with one trigger, on PostgreSQL and SQLite."""
        if not shutil.which("time"):
            print("\nPeak memory was not measured: it needs GNU time.")
            return
        count = max(self.sizes)
        peaks = {}
        for size in (1, count):
            config = self.write("triggers.toml", spec(size))
            empty = self.write("tables.sql", tables(size))
            self.recreate("bench_memory")
            text_of([self.psql, "-X", "-q", "-1", "-f", empty, self.url("bench_memory")], self.folder)
            database = self.folder / "memory.db"
            database.unlink(missing_ok=True)
            text_of([self.sqlite3, database, f".read {empty}"], self.folder)
            for engine, url in (("PostgreSQL", self.url("bench_memory")), ("SQLite", f"sqlite:{database}")):
                command = [self.binary, "-c", config, "-u", url]
                peaks[engine, "apply", size] = peak_of([*command, "apply", "--yes"], self.folder)
                peaks[engine, "plan, nothing to do", size] = peak_of([*command, "plan"], self.folder)
                # The same once more, of which nothing is recorded.
                if engine == "PostgreSQL":
                    self.sql("bench_memory", "DROP SCHEMA triggerctl CASCADE")
                else:
                    text_of([self.sqlite3, database, "DROP TABLE triggerctl_migrations; DROP TABLE triggerctl_objects"], self.folder)
                target = self.folder / "imported.toml"
                target.unlink(missing_ok=True)
                peaks[engine, "import", size] = peak_of([self.binary, "-u", url, "import", "-o", target], self.folder)
                peaks[engine, "first plan", size] = peak_of([self.binary, "-c", target, "-u", url, "plan"], self.folder)
        self.drop("bench_memory")
        print(f"\n| peak memory | 1 trigger | {count:,} triggers | a trigger |\n|---|--:|--:|--:|")
        for (engine, what, size), peak in peaks.items():
            if size == 1:
                many = peaks[engine, what, count]
                print(f"| {what}, {engine} | {peak / 1024:.1f} MiB | {many / 1024:.1f} MiB | {(many - peak) / count:.1f} KiB |")

    # Guards: a figure for work that was not done is worse than none.

    @staticmethod
    def same(values):
        values = list(values)
        if len(set(values)) != 1:
            sys.exit(f"the contestants did not do the same work: {values}")

    def must_be_empty(self, plan):
        text = text_of(plan, self.folder)
        if "Nothing to do" not in text:
            sys.exit(f"there should be nothing to do:\n{text[-3000:]}")


def build():
    """A release build from nothing, dependencies included but already downloaded."""
    with tempfile.TemporaryDirectory(prefix="triggerctl-build-") as target:
        subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=REPOSITORY, check=True)
        environment = {**os.environ, "CARGO_TARGET_DIR": target}
        start = time.perf_counter()
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=REPOSITORY, env=environment, check=True)
        wall = time.perf_counter() - start
    print(f"\nA clean release build took {wall:.0f} s.")


def machine(bench):
    """Where this was run, in one paragraph."""
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"- {os.cpu_count()} cores, {model[1] if model else platform.machine()}, {memory:.0f} GiB of memory, {platform.system()} {platform.release()}")
    print(f"- load average at the start: {os.getloadavg()[0]:.1f}")
    print(f"- {text_of([bench.binary, '--version'], '.').strip()}, {bench.binary.stat().st_size / 1e6:.1f} MB")
    print(f"- {text_of([bench.psql, '--version'], '.').strip()}; sqlite3 {text_of([bench.sqlite3, '--version'], '.').split()[0]}")


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", description="Measure triggerctl against the engines' own clients.")
    parser.add_argument("--quick", action="store_true", help="100 triggers, 3 rounds")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each measurement (default 5)")
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], metavar="N,N", help="numbers of triggers (default 1000,10000)")
    parser.add_argument("--only", choices=("mysql", "kinds"), help="leave out the rest")
    parser.add_argument("--build", action="store_true", help="also time a clean release build, which takes minutes")
    parser.add_argument("--binary", type=pathlib.Path, default=REPOSITORY / "target/release/triggerctl", help="another binary")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    arguments.sizes = arguments.sizes or ([100] if arguments.quick else [1000, 10000])

    with tempfile.TemporaryDirectory(prefix="triggerctl-bench-") as folder:
        print(f"`tests/bench/run.sh {' '.join(sys.argv[1:])}`".replace(" `", "`") + "\n")
        run_all(arguments, pathlib.Path(folder))
    if arguments.build:
        build()


def mysqls():
    """MariaDB and MySQL, as far as tests/run.sh has them, with their URLs."""
    variables = {"MariaDB": "TRIGGERCTL_TEST_MYSQL", "MySQL 9": "TRIGGERCTL_TEST_MYSQL_9"}
    urls = {name: os.environ.get(variable, "none") for name, variable in variables.items()}
    return [(name, url) for name, url in urls.items() if url != "none"]


def run_all(arguments, folder):
    bench = Bench(arguments, folder)
    machine(bench)
    print()
    bench.table.head()
    if not arguments.only:
        bench.start()
        bench.example()
        bench.tests()
    for size in arguments.sizes:
        if not arguments.only:
            bench.sqlite(Work.of(size))
            bench.postgres(Work.of(size))
        # CREATE TRIGGER takes tens of milliseconds there, whoever asks.
        if size <= 1000 and arguments.only != "kinds":
            for name, server in mysqls():
                bench.mysql(Work.of(size), name, server)
    if not arguments.only or arguments.only == "kinds":
        count = 100 if arguments.quick else 1000
        bench.sqlite(Work.of_kinds_on(count, "sqlite"))
        bench.postgres(Work.of_kinds_on(count, "postgres"))
        for name, server in mysqls():
            bench.mysql(Work.of_one_kind_on(count), name, server)
    if not arguments.only:
        bench.imported(max(arguments.sizes))
        bench.memory()


if __name__ == "__main__":
    main()
