//! What each app has of incode: a builder with the settings of the environment, whose calls trust the test's authority.

use std::error::Error;

use incode::core::Token;
use incode::core::client::Client;
use incode::Incode;

/// Builds incode, and calls the vendor over https once.
pub async fn build() -> Result<Incode, Box<dyn Error>> {
    let authority = std::fs::read("ca.pem")?;
    let client = Client::builder(&std::env::var("INCODE_HOST")?, "key-of-the-test").root_certificate(authority);
    let incode = incode::builder_from_env()?
        .client(client.retries(0).build()?)
        .build()
        .await?;
    let person = incode.client().userinfo(&Token::new("token-of-the-test")?).await?;
    println!("the vendor answered: {:?}", person.status);
    Ok(incode)
}
