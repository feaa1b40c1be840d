# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# Registry and target live in caches of the builder: a changed line compiles only this package anew.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --features rsa --bin mintmark \
    && install -D -m 0755 target/release/mintmark /out/mintmark \
    && install -d -m 0700 /out/home/data /out/home/keys

# No shell, no package manager: glibc, libgcc, CA certificates and the program.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/mintmark /usr/local/bin/mintmark
# A named volume that is first mounted on one of these folders takes over its owner and mode.
COPY --from=build --chown=10001:10001 /out/home/ /var/lib/mintmark/
COPY --chown=0:0 --chmod=0644 docker/mintmark.toml /var/lib/mintmark/mintmark.toml
WORKDIR /var/lib/mintmark
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=1s --retries=3 \
    CMD ["/usr/local/bin/mintmark", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/mintmark"]
CMD ["serve"]
