#!/bin/bash
echo "cutting a node off, or killing what runs on it, is not supported by this cluster provider" >&2
exit 3
