//! The contract in Rust, generated from `proto/haversack`. Nothing here is written by hand but this file.
#![allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]

/// Packages as protobuf nests them; `prost` refers to siblings by these paths.
pub mod haversack {
    /// Metadata and profiles.
    pub mod model {
        /// Version 1.
        pub mod v1 {
            include!("generated/haversack.model.v1.rs");
        }
    }
    /// What administrators ask.
    pub mod admin {
        /// Version 1.
        pub mod v1 {
            include!("generated/haversack.admin.v1.rs");
        }
    }
    /// The device protocol.
    pub mod sync {
        /// Version 1.
        pub mod v1 {
            include!("generated/haversack.sync.v1.rs");
        }
    }
    /// The registry of error reasons.
    pub mod error {
        /// Version 1.
        pub mod v1 {
            include!("generated/haversack.error.v1.rs");
        }
    }
}

pub use haversack::admin::v1 as admin;
pub use haversack::error::v1 as error;
pub use haversack::model::v1 as model;
pub use haversack::sync::v1 as sync;

/// The whole contract as a serialized `google.protobuf.FileDescriptorSet`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");
