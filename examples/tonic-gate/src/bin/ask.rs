//! Calls the vault: `ask URL [TOKEN]`. Prints what it says, or the status and what would help.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::env::args;
use std::error::Error;

use tonic::Request;
use tonic_gate::OpenRequest;
use tonic_gate::vault::vault_client::VaultClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = args().nth(1).ok_or("give the URL that the server printed, then the token of its page")?;
    let channel = tonic::transport::Endpoint::from_shared(url)?.connect().await?;
    let mut request = Request::new(OpenRequest {});
    if let Some(token) = args().nth(2) {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    }
    match VaultClient::new(channel).open(request).await {
        Ok(reply) => println!("{}", reply.into_inner().message),
        Err(status) => {
            let told = |name| status.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
            println!("{}: {}", status.code() as i32, status.message());
            println!("code {}, verify at {}", told("incode-code"), told("incode-verify-url"));
        }
    }
    Ok(())
}
