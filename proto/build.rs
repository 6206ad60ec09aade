//! Compiles `federation.proto` with `protox`, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=federation.proto");
    let shapes = protox::compile(["federation.proto"], ["."])?;
    prost_build::Config::new().compile_fds(shapes)?;
    Ok(())
}
