//! The variables of a plan, with every secret.

use data_encoding::{BASE64, HEXLOWER};

use super::{API_KEY, Auth, Plan};
use crate::failure::Failure;
use crate::settings;

/// In the order in which they are written.
pub(super) fn variables(plan: &Plan) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut all = vec![
        ("PUBLIC_URL", plan.public_url.clone()),
        ("INCODE_HOST", plan.host.clone()),
        ("INCODE_WEB_URL", plan.web_url.clone()),
        ("INCODE_CLIENT_ID", plan.client_id.clone()),
    ];
    all.extend(settings::variable(API_KEY)?.map(|key| (API_KEY, key)));
    all.push(("INCODE_FLOW_SECRET", BASE64.encode(&random::<32>()?)));
    all.push(("INCODE_STORE", plan.store.clone()));
    all.push(("INCODE_STORE_KEY", BASE64.encode(&random::<32>()?)));
    let auth = match plan.auth {
        Auth::Header => "header",
        Auth::Hmac => "hmac",
        Auth::StandardWebhooks => "standard-webhooks",
        Auth::Oauth => "oauth",
        Auth::FetchBack => "fetch-back",
    };
    all.push(("INCODE_WEBHOOK_AUTH", auth.to_owned()));
    match plan.auth {
        Auth::Header | Auth::Hmac => {
            all.push(("INCODE_WEBHOOK_SECRETS", HEXLOWER.encode(&random::<32>()?)));
            all.push(("INCODE_WEBHOOK_HEADER", header(plan).to_owned()));
        }
        Auth::StandardWebhooks => {
            all.push(("INCODE_WEBHOOK_SECRETS", format!("whsec_{}", BASE64.encode(&random::<32>()?))));
        }
        Auth::Oauth => {
            all.push(("INCODE_OAUTH_CLIENT_ID", format!("incode-{}", HEXLOWER.encode(&random::<6>()?))));
            all.push(("INCODE_OAUTH_CLIENT_SECRET", HEXLOWER.encode(&random::<32>()?)));
        }
        Auth::FetchBack => {}
    }
    // A path that can't be guessed is all that keeps others from sending events that have to be asked about.
    let webhook = match plan.auth {
        Auth::FetchBack => format!("/incode/webhook/{}", HEXLOWER.encode(&random::<16>()?)),
        _ => "/incode/webhook".to_owned(),
    };
    if plan.two_addresses {
        all.push(("INCODE_WEBHOOK_PATH_VERIFICATION", format!("{webhook}/verification")));
        all.push(("INCODE_WEBHOOK_PATH_AUTHENTICATION", format!("{webhook}/authentication")));
    } else {
        all.push(("INCODE_WEBHOOK_PATH", webhook));
    }
    Ok(all)
}

pub(super) fn header(plan: &Plan) -> &str {
    plan.header.as_deref().unwrap_or(match plan.auth {
        Auth::Hmac => "x-incode-signature",
        _ => "x-incode-secret",
    })
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}
