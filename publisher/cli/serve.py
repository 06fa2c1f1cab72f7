"""`publisher run`: the background service, timetable and pages in one process."""

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import click
import structlog

from publisher.cli.frame import Desk, examples, pass_desk
from publisher.clock import utc_now
from publisher.compose.law import law_problems
from publisher.errors import PublisherError, SettingsError
from publisher.i18n import _
from publisher.jobs import Press
from publisher.logs import configure_logs
from publisher.schedule import Service
from publisher.settings_file import load_settings
from publisher.settings_secrets import hook_secrets
from publisher.signals import stopped_by_signals
from publisher.work.tables import need_postgres

if TYPE_CHECKING:
    import uvicorn

    from publisher.mailroom.server import MailServer

# Ten seconds is what is promised after SIGTERM; what is left is for the database.
STOP_WITHIN = 8.0


@click.command(help=_("Keep the timetable, poll the sources, send what is due, serve the pages that mails link to.") + "\n\n" + examples(
    "publisher run", "publisher --config /etc/publisher.toml run"))
@click.option("--no-work", "no_work", is_flag=True, help=_("Leave the sending of issues to publisher work; needs PostgreSQL."))
@pass_desk
def run(desk: Desk, no_work: bool) -> None:
    """Run until SIGTERM or SIGINT; a changed publisher.toml is taken up by itself. Ends with 0."""
    if no_work:
        need_postgres(desk.database)
    configure_logs()
    log = structlog.get_logger("publisher")
    with stopped_by_signals() as stop:
        _round(desk, stop, log, works=not no_work)
        while not stop.is_set():
            # What a changed file asks for may be impossible (a port in use, a credential missing): said, and tried again until it is mended.
            try:
                _round(desk, stop, log, works=not no_work)
            except PublisherError as error:
                log.error("configuration_refused", reason=str(error))
                _close(desk)
                _await_change(desk, stop, log)
        os._exit(0)


def _await_change(desk: Desk, stop: threading.Event, log: Any) -> None:
    for _second in range(10):
        if stop.wait(1.0):
            return
        fresh = _changed(desk, log)
        if fresh is not None:
            desk.__dict__["settings"] = fresh
            return


def _close(desk: Desk) -> None:
    opened = desk.__dict__.pop("publisher", None)
    if opened is not None:
        opened.close()


def _round(desk: Desk, stop: threading.Event, log: Any, *, works: bool) -> None:
    """Serve with one configuration until it changes or the service is to stop."""
    opened, settings = desk.publisher, desk.settings
    press = opened.press()
    for name, error in press.closed.items():
        log.warning("account_closed", account=name, reason=str(error))
    for problem in law_problems(settings):
        log.warning("law", problem=str(problem))
    service = Service(press, utc_now, works=works)
    server, thread, door = _doors(desk, press, service)
    service.start()
    log.info("started", newsletters=[entry.name for entry in settings.newsletters], listen=_address(server),
             mail=door.address if door else settings.inbound.imap and "imap", pid=os.getpid())
    while not stop.wait(1.0):
        fresh = _changed(desk, log)
        if fresh is not None:
            desk.__dict__["settings"] = fresh
            break
    log.info("stopping" if stop.is_set() else "configuration_changed")
    if server is not None:
        server.should_exit = True
    waiter = threading.Thread(target=_stop_all, args=(service, door), daemon=True)
    waiter.start()
    waiter.join(STOP_WITHIN if stop.is_set() else None)
    if stop.is_set():
        log.info("stopped", clean=not waiter.is_alive())
        # Whatever still waits for a network is cut; what it had begun is in the journal and settled at the next start.
        os._exit(0)
    if thread is not None:
        # The port is free for the next round only when the server has let go of it.
        thread.join(STOP_WITHIN)
    _close(desk)


def _doors(desk: Desk, press: Press, service: Service) -> "tuple[uvicorn.Server | None, threading.Thread | None, MailServer | None]":
    """The pages, and the door for mail where one is wanted. Raises PublisherError when a port is taken; nothing is left open then."""
    # Mail servers cost start-up time that only this command should pay.
    from publisher.mailroom.reception import Reception
    from publisher.mailroom.server import MailServer

    door = MailServer.opened(Reception(press.database, press.settings, press.keys, press.secrets, utc_now))
    try:
        server, thread = _web(desk, service)
    except PublisherError:
        if door is not None:
            door.stop()
        raise
    return server, thread, door


def _stop_all(service: Service, door: "MailServer | None") -> None:
    """The door takes nothing more, while the service brings to an end what it had begun."""
    closing = threading.Thread(target=door.stop, daemon=True) if door is not None else None
    if closing is not None:
        closing.start()
    service.stop()
    if closing is not None:
        closing.join()


def _changed(desk: Desk, log: Any) -> Any:
    """The new settings when the file changed and is right; a wrong one is reported once and the old one stays."""
    try:
        fresh = load_settings(desk.config)
    except SettingsError as error:
        if str(error) != desk.__dict__.get("last_fault"):
            desk.__dict__["last_fault"] = str(error)
            log.error("configuration_refused", reason=str(error))
        return None
    return fresh if fresh.fingerprint != desk.settings.fingerprint else None


def _address(server: "uvicorn.Server | None") -> str | None:
    return f"http://{server.config.host}:{server.config.port}" if server else None


def _web(desk: Desk, service: Service) -> "tuple[uvicorn.Server, threading.Thread] | tuple[None, None]":
    """The pages in a thread of their own. Raises PublisherError when the port is taken."""
    listen = desk.settings.listen()
    if listen is None:
        return None, None
    # Pages and their server cost start-up time that only this command should pay.
    import uvicorn

    from publisher.track.hooks.handling import Hooks
    from publisher.web.app import create_web

    hooks = Hooks(desk.database, desk.settings, desk.keys, hook_secrets())
    app = create_web(desk.database, desk.settings, desk.keys, health=service.health, hooks=hooks)
    server = uvicorn.Server(uvicorn.Config(app, host=listen[0], port=listen[1], log_level="critical", access_log=False, server_header=False,
                                           timeout_graceful_shutdown=3, limit_concurrency=200, h11_max_incomplete_event_size=32768,
                                           # Whose word counts, web.trusted_proxies says; the server's own rule believes every program here.
                                           proxy_headers=False))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, name="web", daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise PublisherError(_("the pages cannot be served at %(host)s:%(port)s", host=listen[0], port=listen[1]),
                                 remedy=_("another program may be using the port: change web.listen"))
        time.sleep(0.05)
    return server, thread
