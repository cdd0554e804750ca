"""Sends mail to a recruiting address, one after the other, and says what the server answered.

send.py COUNT|FILE PAUSE: as many, or until the file is there. Prints a line for each: the reply code and the text.
"""
import os
import smtplib
import sys
import time

many, pause = sys.argv[1], float(sys.argv[2])
number = 0
while (number < int(many)) if many.isdigit() else not os.path.exists(many):
    number += 1
    message = (
        "From: Erika Musterfrau <erika@example.org>\r\nTo: jobs@acme.example\r\n"
        f"Subject: Bewerbung {number}\r\nMessage-ID: <{number}.{time.time()}@example.org>\r\n"
        "Date: Wed, 25 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "Sehr geehrte Damen und Herren,\r\nanbei meine Bewerbung.  Gr\u00fc\u00dfe\r\n"
    ).encode()
    try:
        with smtplib.SMTP("127.0.0.1", 25, "client.example.org", timeout=60) as server:
            server.ehlo()
            code, said = server.mail("erika@example.org")
            if code == 250:
                code, said = server.rcpt("jobs@acme.example")
            if code == 250:
                code, said = server.data(message)
    except (OSError, smtplib.SMTPException) as error:
        code, said = 0, repr(error).encode()
    print(code, said.decode(), flush=True)
    time.sleep(pause)
