# The standalone server, built from this checkout: one directory of files on a Node.js, without packages.
FROM node:24-slim AS build
WORKDIR /src
RUN npm install --global pnpm@12.21.0
COPY . .
RUN pnpm install --frozen-lockfile && pnpm --filter omnifile run build

FROM node:24-slim
# The last is about memory, as the option of Node.js below: see docs/performance.md.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 MALLOC_MMAP_THRESHOLD_=524288
COPY --from=build /src/apps/standalone/dist /opt/omnifile
# Where the default configuration keeps its data: mount a volume here, or say other places.
WORKDIR /srv/omnifile
RUN mkdir data && chown node:node data
USER node
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=16", "/opt/omnifile/main.mjs"]
