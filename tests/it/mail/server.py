"""A mail relay with TLS and log-in by aiosmtpd. Prints its port, and writes each mail into a folder:
N.eml as it came, and N.json with the envelope."""

import argparse
import asyncio
import json
import logging
import os
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

logging.disable(logging.WARNING)
parser = argparse.ArgumentParser()
parser.add_argument("--folder", required=True)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--starttls", action="store_true")
parser.add_argument("--user")
parser.add_argument("--password")
options = parser.parse_args()

taken = 0


class Handler:
    async def handle_DATA(self, server, session, envelope):
        global taken
        taken += 1
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data,
            "hello": session.host_name,
            "smtputf8": envelope.smtp_utf8,
        }
        name = os.path.join(options.folder, str(taken))
        with open(name + ".eml", "wb") as file:
            file.write(envelope.original_content)
        with open(name + ".part", "w") as file:
            json.dump(told, file)
        os.rename(name + ".part", name + ".json")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login.decode(), data.password.decode()) == (options.user, options.password)
    return AuthResult(success=good, handled=False, auth_data=data.login.decode())


async def main():
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)

    def conversation():
        return SMTP(
            Handler(),
            hostname="localhost",
            enable_SMTPUTF8=True,
            tls_context=context if options.starttls else None,
            require_starttls=options.starttls,
            authenticator=authenticate if options.user else None,
            auth_required=bool(options.user),
            # It does not know of TLS from the beginning.
            auth_require_tls=options.starttls,
        )

    implicit = None if options.starttls else context
    server = await asyncio.get_running_loop().create_server(
        conversation, "127.0.0.1", options.port, ssl=implicit
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
