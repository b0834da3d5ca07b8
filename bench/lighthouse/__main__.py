"""What Lighthouse makes of a new chat and of a chat with code, on a phone as it imitates one: medians of three runs.

    .venv/bin/python -m bench.lighthouse [runs]

It needs Chromium and npm 10 or newer, which installs Lighthouse beside this file the first time.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.screenshots import chats
from tests.conftest import CHROMIUM_FLAGS
from tests.support.servers import missing

HERE = Path(__file__).resolve().parent
LIGHTHOUSE = HERE / "node_modules" / ".bin" / "lighthouse"
CATEGORIES = ("performance", "accessibility", "best-practices")
SEEN = ("new", "chat")
RUNS = 3

Report = dict[str, Any]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    if not LIGHTHOUSE.exists():
        subprocess.run(["npm", "ci", "--loglevel=error"], cwd=HERE, check=True)  # noqa: S607
    with chats() as (alice, addresses):
        for what in SEEN:
            reports = [asked(alice.voichat.url + addresses[what], alice.cookie) for _ in range(runs)]
            print(f"{what}: {', '.join(f'{name} {score:.0f}' for name, score in medians(reports).items())}")  # noqa: T201
            for complaint in complaints(reports[-1]):
                print(f"  {complaint}")  # noqa: T201


def asked(url: str, cookie: str) -> Report:
    options = [
        "--quiet",
        "--output=json",
        "--output-path=stdout",
        "--no-enable-error-reporting",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--extra-headers={json.dumps({'Cookie': cookie})}",
        f"--chrome-flags={' '.join(['--headless=new', *CHROMIUM_FLAGS])}",
    ]
    environment = os.environ | {"CHROME_PATH": shutil.which("chromium") or missing("Chromium")}
    ended = subprocess.run(  # noqa: S603
        [str(LIGHTHOUSE), url, *options], cwd=HERE, env=environment, capture_output=True, text=True, check=True
    )
    report: Report = json.loads(ended.stdout)
    return report


def medians(reports: list[Report]) -> dict[str, float]:
    return {name: median(100 * report["categories"][name]["score"] for report in reports) for name in CATEGORIES}


def complaints(report: Report) -> list[str]:
    """Whatever has not the full score."""
    audits = [audit for audit in report["audits"].values() if audit["score"] is not None and audit["score"] < 1]
    return [f"{audit['id']} {audit['score']:.2f}: {audit['title']} {audit.get('displayValue', '')}" for audit in audits]


if __name__ == "__main__":
    main()
