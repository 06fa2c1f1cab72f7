"""A newsroom's folder, and the real command run in it as a person would."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
STORIES = """# Daily report

## Models

### 1. Aoba Labs opens a model with 40 billion parameters
- Date: 2026-03-05
- Source: Example Wire
- URL: https://wire.example.com/aoba
- Summary: Aoba Labs published the weights of a model with 40 billion parameters. It runs on one card.
- Parameters: 40 billion

### 2. Minato Cloud halves the price of inference
- Date: 2026-03-05
- Source: Example Wire
- URL: https://wire.example.com/minato
- Summary: Minato Cloud cut the price of inference by 50% for all customers.
- Price: 50% lower

### 3. A court asks for training records
- Date: 2026-03-04
- Source: Court Gazette
- URL: https://gazette.example.com/records
- Summary: A district court asked three companies for the records of their training data within 30 days.
- Deadline: 30 days
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class NewsroomFolder:
    """A folder with publisher.toml, one source `stories/`, the list `daily` and the newsletter `morning`."""

    path: Path

    @classmethod
    def make(cls, path: Path, *, relay_port: int, database_url: str = "sqlite:///publisher.db", site_url: str = "http://127.0.0.1:8000",
             timetable: str = "0 7 * * mon-fri", extra: str = "") -> "NewsroomFolder":
        """Write the settings, in English, with stories that are always fresh enough."""
        (path / "stories").mkdir(parents=True, exist_ok=True)
        (path / "publisher.toml").write_text(f"""
[site]
name = "Example Morning"
url = "{site_url}"
language = "en"
postal_address = "1-1 Example, Chiyoda, Tokyo"
contact = "desk@news.example.jp"
[database]
url = "{database_url}"
[mail]
relay = "smtp://127.0.0.1:{relay_port}"
sender = "Example Morning <news@news.example.jp>"
timeout = "5s"
[warm_up]
start = 100000
[[sources]]
name = "desk"
kind = "folder"
path = "stories"
curated = true
[[lists]]
name = "daily"
[[newsletters]]
name = "morning"
list = "daily"
timetable = "{timetable}"
first_window = "520w"
min_stories = 3
[[accounts]]
name = "dry"
kind = "outbox"
newsletter = "morning"
{extra}
""", "utf-8")
        return cls(path)

    def story_file(self, name: str = "report.md", text: str = STORIES) -> None:
        """Drop a file into the folder that is watched."""
        (self.path / "stories" / name).write_text(text, "utf-8")

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a command: English, without this machine's own settings."""
        kept = {name: value for name, value in os.environ.items() if not re.match(r"PUBLISHER_|LC_|LANG|NO_COLOR|FORCE_COLOR", name)}
        return kept | {"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}

    def run(self, *arguments: str, typed: str = "", **environ: str) -> Answer:
        """`publisher ARGUMENTS`, to its end."""
        done = subprocess.run([sys.executable, "-m", "publisher", *arguments], cwd=self.path, env=self.environ(**environ),
                              input=typed, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, log: Path | None = None) -> subprocess.Popen[str]:
        """`publisher ARGUMENTS` in the background; its log goes to the file `log`."""
        err = log.open("a") if log else subprocess.DEVNULL
        return subprocess.Popen([sys.executable, "-m", "publisher", *arguments], cwd=self.path, env=self.environ(),
                                stdout=subprocess.DEVNULL, stderr=err, text=True)

    def start_small(self, module: str, *arguments: str, log: Path) -> subprocess.Popen[str]:
        """A module that a command becomes, or starts: without what the command looks at before, and without its start-up time."""
        with log.open("a") as err:
            return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=self.path, env=self.environ(),
                                    stdout=subprocess.DEVNULL, stderr=err, text=True)

    def readers(self, *people: str) -> None:
        """Import readers who agreed."""
        (self.path / "readers.csv").write_text("email,name\n" + "".join(f"{person},\n" for person in people), "utf-8")
        answer = self.run("subscribers", "import", "readers.csv", "--list", "daily", "--consent", "signed at the open day", "--yes")
        assert answer.code == 0, answer.err
