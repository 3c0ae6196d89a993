"""The tool ``net.proxy``; what it runs is ``_proxy.py``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar

from campaign.plugins.api import Command, Schema, Service, Step, Tool
from campaign_standard import _proxy_control


class Proxy(Tool):
    """``serve proxy: net.proxy { upstream = "{redis.port}" }``."""

    name = "proxy"
    about = "passes TCP connections on, on a port that the kernel chooses, which it exports as port; faults aim at it"
    parameters: ClassVar[Schema] = {
        "upstream": {
            "type": "string",
            "required": True,
            "empty": False,
            "meta": {"help": "what it stands in front of: `PORT`, `HOST:PORT`, or the path of a socket"},
        },
        "host": {"type": "string", "default": "127.0.0.1", "meta": {"help": "where that port is"}},
    }
    serves = True

    def command(self, step: Step) -> Command:
        """``-P`` keeps the working directory, which belongs to the run, out of the program's imports."""
        flags = [f"--label={step.label}", *(f"--{name}={step.settings[name]}" for name in ("upstream", "host"))]
        return Command(argv=(sys.executable, "-P", "-m", "campaign_standard._proxy", *flags))

    def ready(self, service: Service) -> Mapping[str, str] | None:
        """The port, as soon as it answers."""
        try:
            return {"port": str(_proxy_control.ask(service.workdir, service.pid, {"do": "show"})["port"])}
        except (OSError, _proxy_control.SilentError):
            return None
