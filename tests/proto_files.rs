//! `src/grpc/proto.rs` against `proto/`: what our messages write is read by the compiled files, field by field.

use csi_provider::grpc::proto::{
    Error, File, HealthCheckRequest, HealthCheckResponse, MountRequest, MountResponse, ObjectVersion,
    ServingStatus, VersionRequest, VersionResponse,
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

#[test]
fn messages_are_what_the_files_say() {
    let pool = pool();
    let version = ObjectVersion {
        id: "i".to_owned(),
        version: "v".to_owned(),
    };
    let read = |name: &str, message: Vec<u8>| -> Value {
        let descriptor = pool
            .get_message_by_name(name)
            .unwrap_or_else(|| panic!("no message {name}"));
        let dynamic = DynamicMessage::decode(descriptor, message.as_slice()).expect(name);
        assert_eq!(dynamic.unknown_fields().count(), 0, "{name}");
        serde_json::to_value(&dynamic).expect(name)
    };

    let request = VersionRequest {
        version: "a".to_owned(),
    };
    assert_eq!(
        read("v1alpha1.VersionRequest", request.encode_to_vec()),
        json!({"version": "a"})
    );

    let response = VersionResponse {
        version: "a".to_owned(),
        runtime_name: "b".to_owned(),
        runtime_version: "c".to_owned(),
    };
    assert_eq!(
        read("v1alpha1.VersionResponse", response.encode_to_vec()),
        json!({"version": "a", "runtimeName": "b", "runtimeVersion": "c"})
    );

    let request = MountRequest {
        attributes: "a".to_owned(),
        secrets: "b".to_owned(),
        target_path: "c".to_owned(),
        permission: "d".to_owned(),
        current_object_version: vec![version.clone()],
    };
    assert_eq!(
        read("v1alpha1.MountRequest", request.encode_to_vec()),
        json!({
            "attributes": "a", "secrets": "b", "targetPath": "c", "permission": "d",
            "currentObjectVersion": [{"id": "i", "version": "v"}],
        })
    );

    let response = MountResponse {
        object_version: vec![version],
        error: Some(Error { code: "e".to_owned() }),
        files: vec![File {
            path: "p".to_owned(),
            mode: 0o644,
            contents: vec![0, 255],
        }],
    };
    assert_eq!(
        read("v1alpha1.MountResponse", response.encode_to_vec()),
        json!({
            "objectVersion": [{"id": "i", "version": "v"}],
            "error": {"code": "e"},
            "files": [{"path": "p", "mode": 420, "contents": "AP8="}],
        })
    );

    let request = HealthCheckRequest {
        service: "s".to_owned(),
    };
    assert_eq!(
        read("grpc.health.v1.HealthCheckRequest", request.encode_to_vec()),
        json!({"service": "s"})
    );

    for (status, name) in [
        (ServingStatus::Serving, "SERVING"),
        (ServingStatus::NotServing, "NOT_SERVING"),
        (ServingStatus::ServiceUnknown, "SERVICE_UNKNOWN"),
    ] {
        let response = HealthCheckResponse {
            status: status.into(),
        };
        assert_eq!(
            read("grpc.health.v1.HealthCheckResponse", response.encode_to_vec()),
            json!({"status": name})
        );
    }
}

/// The paths that the server answers are the services and methods of the files.
#[test]
fn methods_are_the_three_that_are_served_and_watch() {
    let mut paths: Vec<String> = pool()
        .services()
        .flat_map(|service| {
            let name = service.full_name().to_owned();
            service
                .methods()
                .map(move |method| format!("/{name}/{}", method.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/v1alpha1.CSIDriverProvider/Mount",
            "/v1alpha1.CSIDriverProvider/Version",
        ]
    );
}

fn pool() -> DescriptorPool {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["v1alpha1/service.proto", "grpc/health/v1/health.proto"], [root])
        .unwrap_or_else(|error| panic!("proto/ does not compile: {error}"));
    DescriptorPool::from_file_descriptor_set(files).expect("descriptors")
}
