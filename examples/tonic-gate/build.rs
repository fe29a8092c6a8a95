//! Client and server of the service, described in Rust so that nothing but cargo is needed to build. From a `.proto` file,
//! `tonic_prost_build::compile_protos` gives the same.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let open = Method::builder()
        .name("open")
        .route_name("Open")
        .input_type("crate::OpenRequest")
        .output_type("crate::OpenReply")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let vault = Service::builder().package("example").name("Vault").method(open).build();
    Builder::new().build_transport(false).compile(&[vault]);
}
