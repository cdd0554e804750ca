//! A message sent by Python's smtplib, which many recruiting and business systems send by.
// SPDX-License-Identifier: GPL-3.0-or-later

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::smtp::{Mail, Reply};
use super::submission::{Access, Encryption};

/// A session to come.
#[derive(Clone, Debug)]
pub struct Smtplib {
    access: Access,
    login: Option<(String, String)>,
    timeout: Duration,
}

/// What the server answered, step by step; none where it did not come to that.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// To the login.
    pub login: Option<Reply>,
    /// To MAIL.
    pub mail: Option<Reply>,
    /// To each RCPT.
    pub recipients: Vec<(String, Reply)>,
    /// To the message.
    pub message: Option<Reply>,
    /// The exception that ended the session, as `Class: text`.
    pub error: Option<String>,
}

impl Smtplib {
    /// Will connect to a service. Certificates are verified.
    pub fn new(access: &Access) -> Self {
        Self { access: access.clone(), login: None, timeout: Duration::from_secs(60) }
    }

    /// Will log in.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// How long any single step may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends a message in a session of its own.
    pub fn send(&self, mail: &Mail) -> Outcome {
        let task = json!({
            "port": self.access.port,
            "encryption": match self.access.encryption {
                Encryption::None => "none",
                Encryption::StartTls => "starttls",
                Encryption::Implicit => "implicit",
            },
            "authority": self.access.authority,
            "timeout": self.timeout.as_secs_f64(),
            "login": self.login,
            "sender": mail.sender,
            "mail_args": mail.mail_args,
            "recipients": mail.recipients,
            "rcpt_args": mail.rcpt_args,
            "message": BASE64.encode(&mail.message),
        });
        // Debian's own Python. The task holds the password, so it goes by a pipe.
        let mut child = Command::new("/usr/bin/python3")
            .args(["-I", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python is installed (contrib/dev/install-deps.sh installs it)");
        child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Outcome::read(&serde_json::from_slice(&output.stdout).unwrap())
    }
}

impl Outcome {
    fn read(told: &Value) -> Self {
        let pairs = told["recipients"].as_array().into_iter().flatten();
        Self {
            login: reply(&told["login"]),
            mail: reply(&told["mail"]),
            recipients: pairs
                .map(|pair| (pair[0].as_str().unwrap().to_owned(), reply(&pair[1]).unwrap()))
                .collect(),
            message: reply(&told["message"]),
            error: told["error"].as_str().map(str::to_owned),
        }
    }

    /// The first reply that is a refusal.
    pub fn refusal(&self) -> Option<&Reply> {
        let steps = self.login.iter().chain(&self.mail);
        let steps = steps.chain(self.recipients.iter().map(|(_, reply)| reply));
        steps.chain(&self.message).find(|reply| !reply.is_ok())
    }

    /// Panics unless the message was taken for every recipient.
    #[track_caller]
    pub fn ok(self) -> Self {
        let taken = self.message.as_ref().is_some_and(Reply::is_ok);
        assert!(taken && self.error.is_none() && self.refusal().is_none(), "{self:?}");
        self
    }
}

fn reply(told: &Value) -> Option<Reply> {
    let code = u16::try_from(told.get(0)?.as_i64()?).ok()?;
    let lines = told.get(1)?.as_str()?.lines().map(str::to_owned).collect();
    Some(Reply { code, lines })
}

/// The session is smtplib's own `login` and `sendmail`; the steps only note what came back.
const SCRIPT: &str = r#"
import base64, json, smtplib, ssl, sys

task = json.load(sys.stdin)
told = {"recipients": []}

def reply(code, text):
    return [code, text.decode("utf-8", "replace") if isinstance(text, bytes) else text]

class Told:
    def mail(self, *args, **named):
        answer = super().mail(*args, **named)
        told["mail"] = reply(*answer)
        return answer
    def rcpt(self, recipient, *args, **named):
        answer = super().rcpt(recipient, *args, **named)
        told["recipients"].append([recipient, reply(*answer)])
        return answer
    def data(self, message):
        try:
            answer = super().data(message)
        except smtplib.SMTPDataError as error:
            answer = (error.smtp_code, error.smtp_error)
            told["message"] = reply(*answer)
            raise
        told["message"] = reply(*answer)
        return answer

class Plain(Told, smtplib.SMTP): pass
class Implicit(Told, smtplib.SMTP_SSL): pass

try:
    context = ssl.create_default_context(cafile=task["authority"] or None)
    where = dict(host="127.0.0.1", port=task["port"], timeout=task["timeout"],
                 local_hostname="client.example")
    if task["encryption"] == "implicit":
        session = Implicit(context=context, **where)
    else:
        session = Plain(**where)
    with session:
        if task["encryption"] == "starttls":
            session.starttls(context=context)
        if task["login"]:
            try:
                told["login"] = reply(*session.login(*task["login"]))
            except smtplib.SMTPAuthenticationError as error:
                told["login"] = reply(error.smtp_code, error.smtp_error)
                raise
        session.sendmail(task["sender"], task["recipients"],
                         base64.b64decode(task["message"]),
                         task["mail_args"], task["rcpt_args"])
except (smtplib.SMTPException, OSError) as error:
    told["error"] = f"{type(error).__name__}: {error}"
json.dump(told, sys.stdout)
"#;
