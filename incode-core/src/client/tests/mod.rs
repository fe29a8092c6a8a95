mod answers;
mod faults;
mod no_tls;
mod redaction;
mod requests;
mod retries;
mod settings;
mod tls;
mod vendor;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, ClientBuilder, Error};
use crate::model::{Face, FaceAuthenticationRequest, UserInfo};
use crate::{ObjectId, Token};
use vendor::Vendor;

const API_KEY: &str = "canary-api-key-0123456789";
const TOKEN: &str = "canary-token-0123456789";

fn builder(vendor: &Vendor) -> ClientBuilder {
    Client::builder(&vendor.url(), API_KEY).retry_wait(Duration::from_millis(2))
}

fn client(vendor: &Vendor) -> Client {
    builder(vendor).build().unwrap()
}

fn token() -> Token {
    Token::new(TOKEN).unwrap()
}

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

fn face() -> FaceAuthenticationRequest {
    FaceAuthenticationRequest { face: Face::Base64Image("canary-image".into()), source: Some("kiosk".into()) }
}

fn active() -> Value {
    json!({ "status": "ACTIVE", "identityId": "i-1" })
}

async fn userinfo(client: &Client) -> Result<UserInfo, Error> {
    client.userinfo(&token()).await
}
