"""A mail server of aiosmtpd (Debian) that asks for a login and refuses some readers; prints what it takes as JSON."""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such reader"
        if address.startswith("strict@"):
            return "552 5.7.0 refused content"
        if address.startswith("later"):
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        headers = {name.lower(): str(value) for name, value in mail.items()}
        is_tls = server.transport.get_extra_info("cipher") is not None
        taken = {"to": envelope.rcpt_tos, "tls": is_tls, "login": session.authenticated,
                 "headers": headers, "text": mail.get_content(), "is_ascii": envelope.content.isascii()}
        print("taken " + json.dumps(taken), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == b"sharpeyes" and data.password == b"a-key-of-the-test"
    return AuthResult(success=right, handled=False)


port, security, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
options = {
    "none": {},
    "starttls": {"tls_context": context, "require_starttls": True, "auth_required": True},
    "tls": {"ssl_context": context, "auth_required": True, "auth_require_tls": False},
}[security]
controller = Controller(Handler(), hostname="127.0.0.1", port=port, authenticator=authenticate, **options)
controller.start()
print("listening", flush=True)
asyncio.new_event_loop().run_forever()
