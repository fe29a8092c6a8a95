use super::*;

/// RFC 4231, section 4: key, data, HMAC-SHA-256.
#[test]
fn makes_the_macs_of_rfc_4231() {
    let cases: [(Vec<u8>, Vec<u8>, &str); 6] = [
        (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        ((1..=25).collect(), vec![0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            vec![0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
              hashed before being used by the HMAC algorithm."
                .to_vec(),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, data, mac) in cases {
        assert_eq!(hmac_hex(&Secret::new(key), &data), mac);
    }
}

#[test]
fn a_plain_signer_sends_the_secret_and_never_shows_it() {
    let signer = Signer::header("x-incode-secret", Secret::from("canary-canary-canary-canary"));
    let headers = signer.headers(b"{}");
    assert_eq!(headers, [("x-incode-secret".to_owned(), "canary-canary-canary-canary".to_owned())]);
    assert!(!format!("{signer:?}").contains("canary"));
}

#[test]
fn no_signer_shows_what_it_signs_with() {
    let canary = || Secret::from("canary-canary-canary-canary");
    for signer in [
        Signer::hmac_base64("x-a", canary()),
        Signer::id_timestamp("x-id", "x-at", "x-a", canary()),
        Signer::standard_webhooks(&Secret::from("whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5")),
        Signer::bearer("canary"),
    ] {
        assert!(!format!("{signer:?}").contains("canary"), "{signer:?}");
    }
    assert!(!format!("{:?}", OAuthClient::new("incode", canary())).contains("canary"));
}
