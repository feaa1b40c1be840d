//! Clients, secrets, resources, scopes; the policy as a whole; previews.

use utoipa::openapi::HttpMethod;

use super::{listed, missing, reads};
use crate::http::openapi::operation::{
    JSON, Operation, done_once, get, of_a_version, operation, post, versioned,
};
use crate::http::openapi::schemas::{client_id, resource_uri, scope_token};
use crate::http::openapi::words::{any_text, named};

const CLIENTS: &str = "clients";
const RULES: &str = "resources and scopes";
const POLICY: &str = "policy";
const SEEN: &str = "the ETag of the object that was seen, or * for any";

fn of_client(operation: Operation) -> Operation {
    missing(operation.part(CLIENTS).segment("id", client_id(), "the client"))
}

fn clients() -> Vec<Operation> {
    let shown =
        |operation: Operation| versioned(operation.answer("200", "the client", JSON, named("Client")), "200");
    let client = "/admin/v1/clients/{id}";
    let create = post("/admin/v1/clients", "createClient", "Register a client and make its first secret");
    let create = done_once(reads(create.part(CLIENTS), &named("NewClient")));
    let update =
        operation(HttpMethod::Patch, client, "updateClient", "Change a client by a merge patch, RFC 7396");
    let update = of_a_version(of_client(update), SEEN)
        .body(&["application/merge-patch+json", JSON], &named("ClientPatch"))
        .problem("400", "malformed, or a value breaks a rule")
        .problem("415", "the body is no merge patch")
        .with("415", "Accept-Patch", any_text(), "what would be taken");
    let delete = operation(
        HttpMethod::Delete,
        client,
        "deleteClient",
        "Take a client away; its id is never given again",
    );
    let switched = |path, id, summary| done_once(shown(of_client(post(path, id, summary))));
    vec![
        listed(get("/admin/v1/clients", "listClients", "All clients, by id").part(CLIENTS), "ClientPage"),
        versioned(
            create.answer("201", "the client, and its secret this once", JSON, named("CreatedClient")),
            "201",
        ),
        shown(of_client(get(client, "getClient", "A client"))),
        shown(update),
        of_a_version(of_client(delete), SEEN).empty("204", "it is gone"),
        switched("/admin/v1/clients/{id}/disable", "disableClient", "Refuse a client every further token"),
        switched("/admin/v1/clients/{id}/enable", "enableClient", "Let a disabled client ask again"),
    ]
}

fn secrets() -> Vec<Operation> {
    let list =
        of_client(get("/admin/v1/clients/{id}/secrets", "listSecrets", "The live secrets of a client"));
    let rotate = post("/admin/v1/clients/{id}/secrets", "rotateSecret", "Make a further secret");
    let rotate = done_once(reads(of_client(rotate), &named("NewSecret")));
    let revoke = operation(
        HttpMethod::Delete,
        "/admin/v1/clients/{id}/secrets/{secret_id}",
        "revokeSecret",
        "End a secret at once",
    );
    vec![
        listed(list, "SecretPage"),
        rotate.answer("201", "the secret, this once", JSON, named("CreatedSecret")),
        of_client(revoke).segment("secret_id", any_text(), "the secret").empty("204", "it has ended"),
    ]
}

fn rules() -> Vec<Operation> {
    let resource =
        |operation: Operation| operation.part(RULES).segment("uri", resource_uri(), "the resource");
    let scope = |operation: Operation| operation.part(RULES).segment("name", scope_token(), "the scope");
    let set = |operation: Operation, body: &str| {
        let operation = of_a_version(reads(operation, &named(body)), "needed where the object exists");
        let operation = versioned(operation.answer("200", "it is replaced", JSON, named(body)), "200");
        versioned(operation.answer("201", "it is new", JSON, named(body)), "201")
    };
    let shown = |operation: Operation, body: &str| {
        versioned(missing(operation).answer("200", "it", JSON, named(body)), "200")
    };
    let gone = |operation: Operation| {
        of_a_version(missing(operation), SEEN)
            .problem("400", "it is one of the issuer's own")
            .problem("409", "something uses it")
            .empty("204", "it is gone")
    };
    let (of_resource, of_scope) = ("/admin/v1/resources/{uri}", "/admin/v1/scopes/{name}");
    let put = |path, id, summary| operation(HttpMethod::Put, path, id, summary);
    let delete = |path, id, summary| operation(HttpMethod::Delete, path, id, summary);
    vec![
        listed(
            get("/admin/v1/resources", "listResources", "All resources, by name").part(RULES),
            "ResourcePage",
        ),
        shown(resource(get(of_resource, "getResource", "A resource")), "Resource"),
        set(resource(put(of_resource, "setResource", "Make or replace a resource")), "Resource"),
        gone(resource(delete(of_resource, "deleteResource", "Take a resource away"))),
        listed(get("/admin/v1/scopes", "listScopes", "All scopes, by name").part(RULES), "ScopePage"),
        shown(scope(get(of_scope, "getScope", "A scope")), "Scope"),
        set(scope(put(of_scope, "setScope", "Make or replace a scope")), "Scope"),
        gone(scope(delete(of_scope, "deleteScope", "Take a scope away"))),
    ]
}

fn whole() -> Vec<Operation> {
    let export = get("/admin/v1/policy", "exportPolicy", "The whole policy").part(POLICY);
    let plan = post("/admin/v1/policy/plan", "planPolicy", "What a policy would change; nothing is done");
    let apply =
        post("/admin/v1/policy/apply", "applyPolicy", "Bring the policy where it is wanted, all or nothing");
    let asked = |operation: Operation| {
        let operation = reads(operation.part(POLICY), &named("PolicyApplication"));
        of_a_version(operation, "the ETag of the policy that it was made for")
            .problem("409", "an object is in use, or its name is taken for good")
            .answer("200", "what changes", JSON, named("PolicyPlan"))
    };
    let preview =
        post("/admin/v1/token/preview", "previewToken", "What a client would get; nothing is issued");
    vec![
        versioned(export.answer("200", "every object", JSON, named("Policy")), "200"),
        asked(plan),
        done_once(asked(apply)),
        missing(reads(preview.part("tokens"), &named("PreviewQuestion"))).answer(
            "200",
            "the token, or what would be said instead",
            JSON,
            named("Preview"),
        ),
    ]
}

pub(super) fn operations() -> Vec<Operation> {
    [clients(), secrets(), rules(), whole()].into_iter().flatten().collect()
}
