# Beside deploy/images/docker-bake.hcl, for a BuildKit that reaches no registry: Node's image from its files.
variable "NODE_FILES" { default = "" }
variable "SCANNER_FILES" { default = "" }

target "node" {
  context           = NODE_FILES
  dockerfile-inline = "FROM scratch\nADD node.tar /\nENV NODE_EXTRA_CA_CERTS=/usr/local/etc/ca.pem\n"
}

# In place of docker/buildkit-syft-scanner.
target "scanner" {
  context           = SCANNER_FILES
  contexts          = { "node:26-slim" = "target:node" }
  dockerfile-inline = "FROM node:26-slim\nCOPY syft scan.mjs /\nENTRYPOINT [\"node\", \"/scan.mjs\"]\n"
}
