-- POST /music as a PutItem: the body becomes DynamoDB JSON, signed with SigV4, and the answer
-- becomes 201 with the key. SHA-256 and HMAC are OpenSSL's, which nginx is linked with.
local cjson = require 'cjson.safe'
local ffi = require 'ffi'

ffi.cdef [[
unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);
const void *EVP_sha256(void);
unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *d, size_t n,
                    unsigned char *out, unsigned int *out_len);
]]

local C = ffi.C
local digest = ffi.new('unsigned char[32]')
local sha256_kind = C.EVP_sha256()
local format, concat = string.format, table.concat
local hex_of = {}
for i = 0, 255 do
    hex_of[i] = format('%02x', i)
end

local hex_parts = {}
local function hex()
    for i = 0, 31 do
        hex_parts[i + 1] = hex_of[digest[i]]
    end
    return concat(hex_parts)
end

local function sha256_hex(text)
    C.SHA256(text, #text, digest)
    return hex()
end

local function hmac(key, text)
    C.HMAC(sha256_kind, key, #key, text, #text, digest, nil)
    return ffi.string(digest, 32)
end

local function hmac_hex(key, text)
    C.HMAC(sha256_kind, key, #key, text, #text, digest, nil)
    return hex()
end

local access_key = os.getenv('AWS_ACCESS_KEY_ID')
local secret_key = os.getenv('AWS_SECRET_ACCESS_KEY')

-- The key of the day, and what depends on the second only: made once for each.
local day, day_key, second, amz_date

local function signing_key(region)
    local today = amz_date:sub(1, 8)
    if today ~= day then
        local key = hmac('AWS4' .. secret_key, today)
        key = hmac(hmac(hmac(key, region), 'dynamodb'), 'aws4_request')
        day, day_key = today, key
    end
    return day_key
end

local TARGET = 'DynamoDB_20120810.PutItem'
local SIGNED = 'content-type;host;x-amz-date;x-amz-target'

local function sign(body, host, region)
    local now = ngx.time()
    if now ~= second then
        second, amz_date = now, os.date('!%Y%m%dT%H%M%SZ', now)
    end
    local key = signing_key(region)
    local canonical = 'POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:' .. host ..
        '\nx-amz-date:' .. amz_date .. '\nx-amz-target:' .. TARGET .. '\n\n' .. SIGNED .. '\n' ..
        sha256_hex(body)
    local scope = day .. '/' .. region .. '/dynamodb/aws4_request'
    local signature = hmac_hex(key, 'AWS4-HMAC-SHA256\n' .. amz_date .. '\n' .. scope .. '\n' ..
                                    sha256_hex(canonical))
    return 'AWS4-HMAC-SHA256 Credential=' .. access_key .. '/' .. scope .. ', SignedHeaders=' ..
        SIGNED .. ', Signature=' .. signature
end

local function attribute(value)
    local kind = type(value)
    if kind == 'string' then
        return { S = value }
    elseif kind == 'number' then
        return { N = format('%.14g', value) }
    elseif kind == 'boolean' then
        return { BOOL = value }
    elseif value == cjson.null then
        return { NULL = true }
    end
    local out = {}
    if #value > 0 then
        for i, element in ipairs(value) do
            out[i] = attribute(element)
        end
        return { L = out }
    end
    for name, member in pairs(value) do
        out[name] = attribute(member)
    end
    return { M = out }
end

local function refuse(status, message)
    ngx.status = status
    ngx.header.content_type = 'application/json'
    ngx.say('{"message":"' .. message .. '"}')
    return ngx.exit(status)
end

local M = {}

function M.put_item(table_name, host, region)
    if ngx.req.get_method() ~= 'POST' then
        return refuse(405, 'Method Not Allowed')
    end
    local song = cjson.decode(ngx.req.get_body_data() or '')
    if type(song) ~= 'table' or type(song.Artist) ~= 'string' or
        type(song.SongTitle) ~= 'string' then
        return refuse(400, 'Bad Request')
    end
    local item = {}
    for name, value in pairs(song) do
        item[name] = attribute(value)
    end
    local body = cjson.encode({ TableName = table_name, Item = item })
    ngx.ctx.answer = cjson.encode({ Artist = song.Artist, SongTitle = song.SongTitle })
    ngx.req.set_body_data(body)
    ngx.req.set_header('Content-Type', 'application/x-amz-json-1.0')
    ngx.req.set_header('X-Amz-Target', TARGET)
    local authorization = sign(body, host, region)
    ngx.req.set_header('X-Amz-Date', amz_date)
    ngx.req.set_header('Authorization', authorization)
end

function M.answer_head()
    local answer = ngx.ctx.answer
    if answer and ngx.status == 200 then
        ngx.status = 201
        ngx.header.content_type = 'application/json'
        ngx.header.content_length = #answer
    elseif answer then
        ngx.ctx.answer = nil
    end
end

function M.answer_body()
    local answer = ngx.ctx.answer
    if answer then
        ngx.arg[1] = ngx.arg[2] and answer or nil
    end
end

return M
