"""`vedette drill`: a marked test alert through each channel, at its pace, and the truth about what came of it."""

import json

from tests.servers.process import Start
from tests.servers.slack import Answer, SlackServer, limited
from tests.servers.smtp import SmtpServer


def drill(start: Start, environ: dict[str, str], *words: str) -> tuple[int, list[dict[str, object]]]:
    process = start("drill", "--json", *words, env=environ)
    code = process.wait(60)
    return code, [json.loads(line) for line in process.stdout.splitlines()]


def test_each_channel_gets_a_marked_alert_and_its_end(
    start: Start, environ: dict[str, str], slack_server: SlackServer, smtp_server: SmtpServer
) -> None:
    slack_server.per_second = True
    code, legs = drill(start, environ)
    assert code == 0
    assert [(leg["channel"], leg["told"], leg["delivered"]) for leg in legs] == [
        ("ops", "triggered", True),
        ("ops", "resolved", True),
        ("mail", "triggered", True),
        ("mail", "resolved", True),
    ]
    assert "drill" in slack_server.messages[0].everything
    assert len(slack_server.attempts) == len(smtp_server.mails) == 2


def test_a_limit_is_kept_to(start: Start, environ: dict[str, str], slack_server: SlackServer) -> None:
    slack_server.answer(limited(2))
    code, _ = drill(start, environ, "--channel", "ops")
    assert code == 0
    assert [status for _, status in slack_server.attempts] == [429, 200, 200]
    assert slack_server.attempts[1][0] - slack_server.attempts[0][0] >= 2


def test_a_broken_channel_is_called_that_although_another_stood_in(
    start: Start, environ: dict[str, str], slack_server: SlackServer
) -> None:
    slack_server.always = Answer(404, "no_service")
    code, [leg] = drill(start, environ, "--channel", "ops")
    assert (code, leg["delivered"]) == (1, False)
    assert "no_service" in str(leg["detail"])
