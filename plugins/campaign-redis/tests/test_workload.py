"""Real clients, through real outages."""

import signal

from campaign_redis.history import read_history
from campaign_redis.resp import Connection, RefusedError


def test_what_is_acknowledged_is_there_and_is_counted(lab):
    lab.serve()
    output = lab.write("--duration-s=0.5", "--rate=2000", "--threads=3")
    history = read_history(lab.history)
    assert history.acknowledged == lab.acknowledged() > 0
    assert output.splitlines()[-1].startswith(f"acknowledged {history.acknowledged}, unknown 0, errors 0, longest gap ")
    with Connection(lab.port, 5) as connection:
        assert connection.ask("DBSIZE") == len(history.writes)


def test_it_rides_through_an_outage_and_says_how_long_it_was(lab):
    server = lab.serve("--appendfsync=always")
    client = lab.workload("--duration-s=2", "--rate=500")
    lab.wait_until(lambda: lab.acknowledged() > 20)
    server.kill()
    server.wait()
    lab.watchdog()
    before = lab.acknowledged()
    lab.wait_until(lambda: lab.acknowledged() > before + 20)
    output, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    assert " errors 0," not in output.splitlines()[-1]
    assert read_history(lab.history).servers == 2
    assert lab.inspect().wrong is None


def test_a_hung_server_is_given_up_on_and_gone_back_to(lab):
    server = lab.serve()
    client = lab.workload("--duration-s=60", "--rate=500", "--patience-s=0.1", "--threads=2")
    lab.wait_until(lambda: lab.acknowledged() > 20)
    server.send_signal(signal.SIGSTOP)
    lab.wait_until(lambda: lab.history.read_bytes().count(b"\nunknown ") == 2)
    server.send_signal(signal.SIGCONT)
    before = lab.acknowledged()
    lab.wait_until(lambda: lab.acknowledged() > before + 20)
    client.kill()
    assert read_history(lab.history).servers == 1


def test_what_is_refused_is_known_not_to_be_done(lab):
    lab.serve()
    with Connection(lab.port, 5) as connection:
        connection.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            connection.ask("SET", "a", "b")
            refused = False
        except RefusedError:
            refused = True
    assert refused
    output = lab.write("--duration-s=0.3", "--rate=200", "--threads=1")
    assert output.splitlines()[-1].startswith("acknowledged 0, unknown 0, errors ")
    finding = lab.inspect()
    assert (finding.wrong, finding.acknowledged, finding.keys) == (None, 0, 0)


def test_a_server_that_is_not_there_yet_is_waited_for(lab):
    server = lab.serve()
    server.send_signal(signal.SIGSTOP)
    client = lab.workload("--duration-s=60", "--patience-s=0.1")
    lab.wait_until(lab.history.exists)
    server.send_signal(signal.SIGCONT)
    lab.wait_until(lambda: lab.acknowledged() > 20)
    client.kill()


def test_no_server_at_all_is_one_line_and_exit_1(lab):
    lab.port = 1
    client = lab.workload("--duration-s=0.3")
    _, errors = client.communicate(timeout=60)
    assert (client.returncode, errors) == (1, "redis workload: no server at port 1\n")
