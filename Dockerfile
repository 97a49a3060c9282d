# The version of rust-toolchain.toml.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin nts

FROM debian:bookworm-slim
COPY --from=build /src/target/release/nts /usr/local/bin/nts
RUN useradd --system --home-dir /data --create-home nts
USER nts
WORKDIR /data
VOLUME /data
# In a container "this machine alone" would be nobody: listen on all its addresses.
ENV NTS_ADDRESS=0.0.0.0:9000 NTS_PUBLIC_URL=http://localhost:9000 NTS_DATABASE=/data/nts.db
EXPOSE 9000
ENTRYPOINT ["nts"]
CMD ["serve"]
