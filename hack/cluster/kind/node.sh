#!/bin/bash
echo "cutting a node off is not supported by this cluster provider" >&2
exit 3
