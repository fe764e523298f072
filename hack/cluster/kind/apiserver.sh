#!/bin/bash
echo "restarting the API server is not supported by this cluster provider" >&2
exit 3
