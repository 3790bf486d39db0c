# An authorization server (Doorkeeper on Rails) with a protected API, plain HTTP on loopback.
# A new token revokes the client's older ones: one token at a time.
#
#   ruby app.rb RUN_DIRECTORY
#
# Writes RUN_DIRECTORY/doorkeeper.env when it listens.

ENV["RAILS_ENV"] = "production"

require "action_controller/railtie"
require "active_record/railtie"
require "doorkeeper"
require "puma"
require "securerandom"

RUN = File.expand_path(ARGV.fetch(0))
THREADS = 32
# A file instead of memory, because each of puma's threads has its own connection.
ENV["DATABASE_URL"] = "sqlite3:#{RUN}/doorkeeper.sqlite3?pool=#{THREADS}&timeout=5000"

class Server < Rails::Application
  config.root = RUN
  config.eager_load = false
  config.secret_key_base = SecureRandom.hex(32)
  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :warn
  config.hosts = nil
  config.api_only = true
end

Doorkeeper.configure do
  orm :active_record
  grant_flows %w[client_credentials]
  default_scopes "api:read"
  optional_scopes "api:write"
  access_token_expires_in 600
  # For tests that wait for the next token.
  custom_access_token_expires_in { |context| 5 if context.client.uid == "fleet" }
  revoke_previous_client_credentials_token
  # The application has only this client.
  allow_token_introspection { |_token, client, _presented| client.present? }
  base_controller "ActionController::API"
  api_only
end

Server.initialize!

ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table :oauth_applications, force: true do |t|
    t.string :name, :uid, :secret, null: false
    t.text :redirect_uri
    t.string :scopes, null: false, default: ""
    t.boolean :confidential, null: false, default: true
    t.timestamps null: false
  end
  create_table :oauth_access_tokens, force: true do |t|
    t.references :resource_owner
    t.references :application
    t.string :token, null: false
    t.string :refresh_token, :scopes
    t.integer :expires_in
    t.datetime :revoked_at
    t.datetime :created_at, null: false
    t.string :previous_refresh_token, null: false, default: ""
  end
end

class ResourceController < ActionController::API
  before_action :doorkeeper_authorize!

  def show
    render json: { client_id: doorkeeper_token.application.uid, scope: doorkeeper_token.scopes.to_s }
  end
end

# How many tokens a client has been issued.
class IssuedController < ActionController::API
  def show
    application = Doorkeeper::Application.find_by!(uid: params[:client])
    render plain: Doorkeeper::AccessToken.where(application: application).count.to_s
  end
end

Server.routes.draw do
  use_doorkeeper { skip_controllers :authorizations, :applications, :authorized_applications }
  get "/resource", to: "resource#show"
  get "/issued/:client", to: "issued#show"
end

# Doorkeeper does not form-decode Basic credentials, so the second client's secret arrives only if it is raw.
{ "one" => "doorkeeper", "raw" => "basic", "fleet" => "doorkeeper" }.each do |uid, secret|
  Doorkeeper::Application.create!(
    name: uid, uid: uid, secret: File.read(File.join(RUN, "secret.#{secret}")), redirect_uri: "",
    scopes: "api:read api:write"
  )
end

# After each response a thread waits 0.2 s for the next request of its connection.
server = Puma::Server.new(Server, Puma::Events.stdio, max_threads: THREADS)
port = server.add_tcp_listener("127.0.0.1", 0).addr[1]
server.run
# Written in one step, because the file tells that the server is ready.
path = File.join(RUN, "doorkeeper.env")
File.write("#{path}.new", "export INTEROP_DOORKEEPER=http://127.0.0.1:#{port}\n")
File.rename("#{path}.new", path)
server.thread.join
