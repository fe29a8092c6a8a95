//! A TLS configuration that can't make a connection, for a client of plain http in a program without a TLS provider.
//!
//! reqwest asks for a TLS configuration even if no call is ever https, and panics if it has to make one without a
//! provider. This one holds cryptography that refuses: its random numbers fail, so a handshake ends before its first
//! byte. `incode-core` has the same for its client; this crate stands alone. What can't return an error gives zeros; it is reached only after a handshake, and nothing is encrypted with it.

use std::sync::Arc;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::hmac::{Hmac, Key, Tag};
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{
    ActiveKeyExchange, CipherSuiteCommon, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SupportedKxGroup,
    WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{CipherSuite, ConnectionTrafficSecrets, Error, NamedGroup, SupportedCipherSuite, Tls13CipherSuite};

/// The provider. rustls asks for at least one cipher suite and one group.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![SupportedCipherSuite::Tls13(&SUITE)],
        kx_groups: vec![&Refuses],
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: &[], mapping: &[] },
        secure_random: &Refuses,
        key_provider: &Refuses,
    }
}

static SUITE: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
        hash_provider: &Refuses,
        confidentiality_limit: 0,
    },
    hkdf_provider: &HkdfUsingHmac(&Refuses),
    aead_alg: &Refuses,
    quic: None,
};

/// Every part of the provider.
#[derive(Debug)]
struct Refuses;

impl SecureRandom for Refuses {
    fn fill(&self, _: &mut [u8]) -> Result<(), GetRandomFailed> {
        Err(GetRandomFailed)
    }
}

impl SupportedKxGroup for Refuses {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Err(refused())
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl KeyProvider for Refuses {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(refused())
    }
}

impl Tls13AeadAlgorithm for Refuses {
    fn encrypter(&self, _: AeadKey, _: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Self)
    }

    fn decrypter(&self, _: AeadKey, _: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Self)
    }

    fn key_len(&self) -> usize {
        ZEROS.len()
    }

    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

impl MessageEncrypter for Refuses {
    fn encrypt(&mut self, _: OutboundPlainMessage<'_>, _: u64) -> Result<OutboundOpaqueMessage, Error> {
        Err(refused())
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len
    }
}

impl MessageDecrypter for Refuses {
    fn decrypt<'a>(&mut self, _: InboundOpaqueMessage<'a>, _: u64) -> Result<InboundPlainMessage<'a>, Error> {
        Err(refused())
    }
}

impl Hash for Refuses {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Self)
    }

    fn hash(&self, _: &[u8]) -> Output {
        Output::new(&ZEROS)
    }

    fn output_len(&self) -> usize {
        ZEROS.len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::NONE
    }
}

impl Context for Refuses {
    fn fork_finish(&self) -> Output {
        Output::new(&ZEROS)
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self)
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(&ZEROS)
    }

    fn update(&mut self, _: &[u8]) {}
}

impl Hmac for Refuses {
    fn with_key(&self, _: &[u8]) -> Box<dyn Key> {
        Box::new(Self)
    }

    fn hash_output_len(&self) -> usize {
        ZEROS.len()
    }
}

impl Key for Refuses {
    fn sign_concat(&self, _: &[u8], _: &[&[u8]], _: &[u8]) -> Tag {
        Tag::new(&ZEROS)
    }

    fn tag_len(&self) -> usize {
        ZEROS.len()
    }
}

fn refused() -> Error {
    Error::General("this program has no TLS provider".to_owned())
}

/// As long as the hash of the suite: rustls divides by these lengths.
const ZEROS: [u8; 32] = [0; 32];
