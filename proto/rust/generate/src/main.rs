//! Writes Rust code for a `FileDescriptorSet`: `haversack-proto-generate DESCRIPTORS OUT_DIR`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(descriptors), Some(out), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: haversack-proto-generate DESCRIPTORS OUT_DIR".into());
    };
    let mut set = prost_types::FileDescriptorSet::decode(fs::read(descriptors)?.as_slice())?;
    // The control plane is Python; of its contract Rust answers the questions, and serves none of it.
    set.file.retain(|file| file.name() != "haversack/admin/v1/admin.proto");
    set.file.iter_mut().filter(|file| file.package() == "haversack.admin.v1").for_each(|file| file.service.clear());
    tonic_prost_build::configure()
        .out_dir(out)
        .bytes(".haversack.sync.v1")
        .server_mod_attribute("haversack.sync.v1", "#[cfg(feature = \"services\")]")
        .client_mod_attribute("haversack.sync.v1", "#[cfg(feature = \"services\")]")
        .compile_fds(set)?;
    Ok(())
}
