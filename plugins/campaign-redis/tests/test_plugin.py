"""The plugin as campaign sees it: found by its entry point, its commands rendered, its oracles asked."""

import os
import sys

import pytest

from campaign.plugins.api import Evidence, Exit, Service, Step, UnableError, parse_quantity
from campaign.plugins.parameters import defaults, validate
from campaign.plugins.registry import Registry


@pytest.fixture
def registry():
    registry = Registry()
    assert registry.use(["redis"]) == []
    return registry


def _command(tool, **settings):
    step = Step(
        label="s", settings={**defaults(tool), **settings}, workdir="/w", seed=1, random=7, instance="i", cell="i",
        attempt=1,
    )  # fmt: skip
    assert validate(tool, dict(step.settings)) == []
    return tool.command(step).argv


def _evidence(folder, env):
    end = Exit(
        token="t", epoch=1, digest="d", started_at="", finished_at="", duration_s=0, boot_id="b"
    )  # fmt: skip
    return Evidence(
        campaign="c", key="i#0", instance="i", cell="i", seed=0, attempt=1,
        directory=str(folder), work=str(folder), exit=end, env=env,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "settings", "flags"),
    [
        (
            "server",
            {"save": "60 1"},
            {"--directory=redis", "--appendonly=true", "--appendfsync=everysec", "--save=60 1"},
        ),
        ("workload", {"port": "7", "duration": parse_quantity("1m30s")}, {"--duration-s=90.0", "--seed=7", "--port=7"}),
        ("watchdog", {"port": "7"}, {"--directory=redis"}),
        (
            "watchdog",
            {"port": "7", "notices-hangs": False, "interval": parse_quantity("50ms"), "attempts": 2},
            {"--notices-hangs=false", "--interval-s=0.05", "--attempts=2"},
        ),
        ("repairs", {}, {"--directory=redis"}),
    ],
)
def test_settings_become_flags(registry, name, settings, flags):
    argv = _command(registry.find("tool", f"redis.{name}"), **settings)
    assert argv[:3] == (sys.executable, "-P", "-m")
    assert flags <= set(argv)


def test_what_is_not_said_is_left_to_the_policy(registry):
    argv = _command(registry.find("tool", "redis.watchdog"), port="7", policy="/p.toml")
    assert set(argv[4:]) == {"--port=7", "--directory=redis", "--policy=/p.toml"}


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("server", {"appendfsync": "never"}, 'appendfsync is "never"; allowed are "always", "everysec", "no"'),
        ("workload", {"port": "1", "threads": 0}, "threads is 0; the least is 1"),
        ("watchdog", {"port": "1", "attempts": -1}, "attempts is -1; the least is 0"),
    ],
)
def test_wrong_settings_are_named(registry, name, setting, message):
    assert [str(problem) for problem in validate(registry.find("tool", f"redis.{name}"), setting)] == [message]


def test_a_server_and_a_watchdog_say_when_they_are_ready(registry, lab):
    server, watchdog = registry.find("tool", "redis.server"), registry.find("tool", "redis.watchdog")
    early = Service(label="r", settings=defaults(server), workdir=str(lab.folder), pid=1)
    assert server.ready(early) is None
    lab.serve()
    assert server.ready(early) == {"port": str(lab.port), "directory": str(lab.directory)}
    late = Service(label="w", settings=defaults(watchdog), workdir=str(lab.folder), pid=1)
    assert watchdog.ready(late) is None
    lab.watchdog()
    lab.wait_until(lambda: watchdog.ready(late) is not None)


def test_the_oracles_judge(registry, lab):
    ping, consistency = registry.find("oracle", "redis.ping"), registry.find("oracle", "redis.consistency")
    server = lab.serve("--appendonly=false")
    lab.write("--duration-s=0.2")
    evidence = _evidence(lab.folder, dict(os.environ))
    asked = {**defaults(ping), "port": str(lab.port)}
    assert ping.judge(evidence, asked).ok
    server.kill()
    server.wait()
    answer = ping.judge(evidence, asked)
    assert (answer.ok, answer.message) == (False, f"no server at port {lab.port}: Connection refused")
    judged = consistency.judge(evidence, defaults(consistency))
    assert judged.ok
    assert judged.message == f"{judged.details['acknowledged']} writes were acknowledged, 0 keys are as promised"
    judged = consistency.judge(evidence, {**defaults(consistency), "promise": "acknowledged"})
    assert not judged.ok
    assert judged.message.startswith("acknowledged write ")


def test_without_redis_the_oracle_says_how_to_get_it(registry, tmp_path):
    consistency = registry.find("oracle", "redis.consistency")
    env = {"PATH": str(tmp_path)}
    assert "apt-get install redis-server" in consistency.missing({}, env)
    with pytest.raises(UnableError, match="redis-server was not found"):
        consistency.judge(_evidence(tmp_path, env), defaults(consistency))


def test_failures_of_one_bug_are_one_failure(registry):
    for number in (1, 77):
        message = f"acknowledged write {number} of key 9 is lost: it holds nothing"
        assert registry.fingerprint(None, None, message) == ("redis: lost write", [])
    assert registry.fingerprint(None, None, "something else") == (None, [])
