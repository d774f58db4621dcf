"""Canaille, an independent OpenID provider, with invented people, for the tests.

Arrives: settings as JSON in the first argument: {port, host, key, chain, people, by_hand, ago}. `by_hand` is a client, {id, secret, redirect_uri},
made as `canaille create client` makes one: without `audience`, so that its ID tokens are for nobody. For tests that cannot wait, the
file `ago` may say how many seconds ago people signed in who sign in now.
Leaves: a provider on https://host:port where clients may register themselves; `Running on` on standard error once it listens.
Everything is in memory. Runs until it is killed.
"""
import asyncio
import datetime
import json
import os
import pathlib
import sys
import types

from hypercorn.asyncio import serve
from hypercorn.config import Config
from joserfc import jwk

import canaille.app.session
from canaille.app import models
from canaille.backends import Backend
from canaille.hypercorn.app import WsgiToAsgi, create_app

settings = json.loads(sys.argv[1])
keys = [
    jwk.RSAKey.generate_key(2048, private=True, auto_kid=True),
    jwk.ECKey.generate_key("P-256", private=True, auto_kid=True),
]
app = create_app(
    config={
        "SECRET_KEY": os.urandom(16).hex(),
        "SERVER_NAME": f"{settings['host']}:{settings['port']}",
        "PREFERRED_URL_SCHEME": "https",
        "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "HTMX": False},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [key.as_dict(private=True) for key in keys],
            "DYNAMIC_CLIENT_REGISTRATION_OPEN": True,
        },
    },
    env_file=None,
    wrap_asgi=False,
)

ago = pathlib.Path(settings["ago"])


class Earlier(datetime.datetime):
    """The time at which people are said to sign in."""

    @classmethod
    def now(cls, tz=None):
        seconds = int(ago.read_text()) if ago.exists() else 0
        return datetime.datetime.now(tz) - datetime.timedelta(seconds=seconds)


canaille.app.session.datetime = types.SimpleNamespace(datetime=Earlier, timezone=datetime.timezone)

with app.app_context():
    groups = {}
    for person in settings["people"]:
        user = models.User(
            user_name=person["sub"],
            family_name=person["name"],
            formatted_name=person["name"],
            emails=[person["email"]],
            password=person["password"],
        )
        Backend.instance.save(user)
        for group in person.get("groups", []):
            groups.setdefault(group, []).append(user)
    for group, members in groups.items():
        Backend.instance.save(models.Group(display_name=group, members=members))
    by_hand = settings["by_hand"]
    client = models.Client(
        client_id=by_hand["id"],
        client_name=by_hand["id"],
        client_secret=by_hand["secret"],
        redirect_uris=[by_hand["redirect_uri"]],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "profile", "email", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    Backend.instance.save(client)

server = Config()
server.bind = [f"127.0.0.1:{settings['port']}"]
server.certfile = settings["chain"]
server.keyfile = settings["key"]
asyncio.run(serve(WsgiToAsgi(app), server))
