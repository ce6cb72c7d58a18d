# The command line with the local server, for development. Not part of the npm package.
#
#   docker build --tag effect-zerobus .
#   docker run --rm --publish 127.0.0.1:7170:7170 --publish 127.0.0.1:7171:7171 effect-zerobus
#
# Programs on the host reach it as http://127.0.0.1:7170 and http://127.0.0.1:7171. Programs in other
# containers need https, since a client speaks plain http to its own machine only: see compose.yaml.

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN mkdir /packed && npm pack --pack-destination /packed

FROM node:24-slim
WORKDIR /opt/zerobus
COPY --from=build /packed /packed
# DuckDB is for zerobus query; the peers of the package come with it.
RUN npm install --no-audit --no-fund /packed/*.tgz @duckdb/node-api \
  && npm cache clean --force \
  && ln -s /opt/zerobus/node_modules/.bin/zerobus /usr/local/bin/zerobus \
  && mkdir --mode=0700 /data \
  && chown node:node /data
USER node
WORKDIR /home/node
VOLUME /data
EXPOSE 7170 7171
HEALTHCHECK --interval=2s --timeout=2s --start-period=30s \
  CMD ["node", "-e", "require('net').connect(7171, '127.0.0.1').on('connect', () => process.exit(0)).on('error', () => process.exit(1))"]
ENTRYPOINT ["zerobus"]
CMD ["local", "--host", "0.0.0.0", "--allow-remote", "--data-dir", "/data"]
