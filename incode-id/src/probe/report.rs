//! The questions, their answers, and the settings that follow.

use incode_core::Token;
use serde_json::{Value, json};

use super::claims;
use super::round::Round;
use super::tokens::Answer;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Default)]
struct Report {
    answers: Vec<Value>,
    settings: Vec<Value>,
    /// Questions that were tried and have no answer.
    open: u32,
}

impl Report {
    fn answer(&mut self, question: &str, answer: impl Into<String>) {
        self.answers.push(json!({"question": question, "answer": answer.into()}));
    }

    fn open(&mut self, question: &str, why: &str) {
        self.open += 1;
        self.answer(question, format!("no answer: {why}"));
    }

    fn setting(&mut self, setting: &str, why: &str) {
        self.settings.push(json!({"setting": setting, "because": why}));
    }
}

pub(super) fn write(rounds: &[Round], output: &Output) -> Result<(), Failure> {
    let mut report = Report::default();
    for round in rounds {
        if round.fails {
            failed(&mut report, round);
        } else {
            returned(&mut report, round);
            token(&mut report, round);
            events(&mut report, round);
        }
    }
    output.list(&["question", "answer"], &report.answers)?;
    output.text("")?;
    output.list(&["setting", "because"], &report.settings)?;
    match report.open {
        0 => Ok(()),
        open => Err(Failure::failed(format!("{open} questions have no answer"))),
    }
}

fn returned(report: &mut Report, round: &Round) {
    let question = "what comes back with the browser";
    match &round.returned {
        Some(back) => {
            let repeated =
                if back.correlation_id.is_some() { "repeats the correlation id" } else { "no correlation id" };
            report.answer(question, format!("{}; {repeated}", back.parameters.join(", ")));
        }
        None => report.open(question, "the browser did not come: is PUBLIC_URL's callback this process?"),
    }
}

fn token(report: &mut Report, round: &Round) {
    let Some(tested) = &round.tested else {
        return report.open("what a token opens", "neither browser nor event brought one");
    };
    let of = if round.tested_browser { "the browser's token" } else { "the event's token" };
    report.answer("userinfo", format!("{}, with {of}", words(&tested.first)));
    report.answer("form of the vendor's answers", &*tested.first.form);
    if tested.first.form.contains("without Date") {
        report.setting("keep the machine's clock by NTP", "the vendor's answers have no Date to compare with");
    }
    let is_once = tested.first.http == Some(200) && tested.second.http == Some(401);
    let counts = match (tested.first.http, tested.second.http) {
        (Some(200), Some(200)) => "yes",
        (Some(200), Some(401)) => "no: the second call was refused",
        (Some(200), _) => "not known: the second call was not answered",
        _ => "not known: the first call was refused",
    };
    report.answer("does a token count more than once", counts);
    if is_once {
        let why = "the application asks more than once with one token: tell the authors, and rely on no retry";
        report.setting("none helps", why);
    }
    let names: Vec<_> = round.claims.keys().map(String::as_str).collect();
    report.answer("claims that a token shows", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
    let declared =
        claims::declared_life(&round.claims).map_or("no life declared".to_owned(), |life| format!("declared {life} s"));
    let life = match tested.life {
        Some(life) => match life.refused {
            Some(refused) => format!(
                "between {:.1} and {:.1} s after it came; {declared}",
                life.accepted.as_secs_f64(),
                refused.as_secs_f64()
            ),
            None => format!("over {:.1} s, as long as it was watched; {declared}", life.accepted.as_secs_f64()),
        },
        None => format!("not watched, because it was refused before; {declared}"),
    };
    report.answer("life of a token", life);
    if let Some(own) = &tested.own {
        report.answer("the check itself", words(own));
        report.answer("createdAt of the check", own.created_at.clone().unwrap_or_else(|| "none".to_owned()));
    }
    report.answer("an id that does not exist", words(&tested.made_up));
    match &tested.other {
        Some(answer) => {
            report.answer("the check of another person", words(answer));
            if answer.http == Some(200) {
                report.setting(
                    "keep the checks of incode on",
                    "any token opens any check: only the comparison of persons protects",
                );
            }
        }
        None => report.answer("the check of another person", "not tried (--other-id)"),
    }
    match &tested.foreign {
        Some(answer) => {
            report.answer("a token of another client", words(answer));
            if answer.http == Some(200) {
                let claim = ["aud", "client_id", "azp"].into_iter().find(|name| round.claims.contains_key(*name));
                let setting =
                    claim.map_or("none helps".to_owned(), |name| format!("Builder::expect_claim(\"{name}\", ..)"));
                report.setting(&setting, "the vendor answers tokens that were made for other clients");
            }
        }
        None => report.answer("a token of another client", "not tried (--foreign-token-file)"),
    }
    if let Some(answer) = &round.of_event {
        report.answer("userinfo with the event's token", words(answer));
    }
}

fn events(report: &mut Report, round: &Round) {
    let Some(first) = round.tries.first() else {
        return report.open("the event of the check", "none came: is the webhook URL entered at the vendor?");
    };
    report.answer("the event of the check", &*first.kind);
    report.answer("form of a delivery", &*first.form);
    report.answer("headers of a delivery", first.headers.join(", "));
    let is_authenticated = first.verdict == "Authenticated";
    report.answer("is it authentic", if is_authenticated { "yes, by INCODE_WEBHOOK_AUTH" } else { &first.verdict });
    if !is_authenticated {
        report
            .setting("INCODE_WEBHOOK_AUTH and its secrets", "deliveries don't prove their sender with these settings");
    }
    let browser = round.returned.as_ref().and_then(|back| Token::new(back.token.clone()?).ok());
    let is_same = browser.map(|token| token.hash()) == first.token.as_ref().map(Token::hash);
    report.answer("is the event's token the browser's", if is_same { "yes" } else { "no, another one" });
    match first.repeats(&round.correlation_id) {
        Some(member) => {
            report.answer("does an event repeat the correlation id", format!("yes, as {member}"));
            report.setting(
                "INCODE_LINK_BY_WEBHOOK=on is possible",
                "events name their flow; needed only where the callback can't work",
            );
        }
        None => {
            report.answer("does an event repeat the correlation id", "no");
            report.setting("INCODE_LINK_BY_WEBHOOK=off", "events do not name their flow");
        }
    }
    repeats(report, round);
}

fn repeats(report: &mut Report, round: &Round) {
    let question = "does a refused delivery come again";
    let (Some(first), repeats) = (round.tries.first(), round.repeats()) else { return };
    if !first.is_refused {
        return report.answer(question, "not tried (--refuse 0)");
    }
    if repeats.is_empty() {
        report.answer(question, "no, not while it was waited for");
        report.setting("Incode::reconcile on a schedule", "an event that is refused once is lost");
        return;
    }
    let times: Vec<_> = repeats.iter().map(|(seconds, _)| format!("{seconds:.1} s")).collect();
    report.answer(question, format!("yes, {} after the first try", times.join(", ")));
    let token = if repeats.iter().all(|(_, tried)| tried.has_token_of(first)) { "the same" } else { "a fresh one" };
    report.answer("the token of a repeated delivery", token);
    let body =
        if repeats.iter().all(|(_, tried)| tried.body == first.body) { "the same bytes" } else { "another body" };
    report.answer("the body of a repeated delivery", body);
}

fn failed(report: &mut Report, round: &Round) {
    let question = "what a failed check gives back";
    let Some(back) = &round.returned else { return report.open(question, "the browser did not come") };
    let token = if back.token.is_some() { "a token" } else { "no token" };
    let userinfo =
        round.tested.as_ref().map_or("no userinfo".to_owned(), |tested| format!("userinfo {}", words(&tested.first)));
    let event = round.tries.first().map_or("no event", |first| &first.kind);
    report.answer(question, format!("{token}; {userinfo}; {event}"));
    if let Some(own) = round.tested.as_ref().and_then(|tested| tested.own.as_ref()) {
        report.answer("the failed check itself", words(own));
    }
    let why = if back.token.is_some() {
        "a failed check brings a token too: only the vendor's word about the check may link"
    } else {
        "a failed check brings no token here; the default asks about the check all the same"
    };
    report.setting("never trust_userinfo_alone", why);
}

fn words(answer: &Answer) -> String {
    let http = answer.http.map_or("no answer".to_owned(), |http| format!("HTTP {http}"));
    match &answer.status {
        Some(status) => format!("{http}, status {status}"),
        None => http,
    }
}
