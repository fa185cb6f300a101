# docker buildx bake --file deploy/images/docker-bake.hcl, from the root of the tree.
variable "REGISTRY" { default = "postern" }
variable "VERSION" { default = "latest" }
variable "NODE_IMAGE" { default = "node:26-slim" }

group "default" {
  targets = ["program"]
}

target "program" {
  name       = program
  matrix     = { program = ["edge", "router", "acl", "certstore", "admin", "client", "cli", "setup", "balancer"] }
  context    = "."
  dockerfile = "deploy/images/Dockerfile"
  target     = program
  tags       = ["${REGISTRY}/${program}:${VERSION}"]
  args       = { NODE_IMAGE = NODE_IMAGE }
  labels     = { "org.opencontainers.image.version" = VERSION }
}
